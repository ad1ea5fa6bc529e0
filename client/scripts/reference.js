/** Writes `docs/reference/client.md` from the types and their comments; with `--check`, only says whether it is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ENTRIES = [
  ['relatch', 'index'],
  ['relatch/axios', 'axios'],
  ['relatch/react', 'react'],
  ['relatch/server', 'server'],
  ['relatch/testing', 'testing'],
];

const client = fileURLToPath(new URL('..', import.meta.url));
const target = new URL('../../docs/reference/client.md', import.meta.url);

const { options } = ts.getParsedCommandLineOfConfigFile(`${client}/tsconfig.json`, {}, ts.sys);
const fileOf = (name) => `${client}src/${name}.ts`;
const program = ts.createProgram(ENTRIES.map(([, name]) => fileOf(name)), options);
const checker = program.getTypeChecker();
/** What has its place on the page: a later entry that exports it again doesn't repeat it. */
const told = new Set();

const text = [
  '<!-- Written by `npm run reference` in `client/` from the types of the package; change their comments. -->',
  '# Client library',
  'What the npm package `relatch` exports. How to use it: [Browser](../guides/browser.md).',
  ...ENTRIES.flatMap(([entry, name]) => [`## ${entry}`, ...entryOf(program.getSourceFile(fileOf(name)))]),
].join('\n\n') + '\n';

if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (readFileSync(target, 'utf8') !== text) {
  console.log('docs/reference/client.md is stale; run `npm run reference`');
  process.exitCode = 1;
}

/** Everything that an entry exports: what is called first, then what is passed and answered. */
function entryOf(file) {
  const symbols = checker
    .getExportsOfModule(checker.getSymbolAtLocation(file))
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => !told.has(symbol));
  symbols.forEach((symbol) => told.add(symbol));
  const isCalled = (symbol) => Boolean(symbol.flags & ts.SymbolFlags.Value);
  return [...symbols.filter(isCalled), ...symbols.filter((symbol) => !isCalled(symbol))].flatMap(sectionOf);
}

function sectionOf(symbol) {
  const [declaration] = symbol.declarations;
  const parts = [`### ${symbol.name}`, docOf(symbol)];
  if (ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)) {
    const parents = declaration.heritageClauses?.map((clause) => `\`${plain(clause.getText())}\``) ?? [];
    parts.push(...parents, declaration.members.filter(isPublic).map(lineOf).join('\n'));
  } else if (ts.isFunctionDeclaration(declaration)) {
    // The signature without the body.
    const end = declaration.body?.getStart() ?? declaration.end;
    parts.push(code(declaration.getSourceFile().text.slice(declaration.getStart(), end)));
  } else {
    parts.push(code(declaration.getText()));
  }
  return parts.filter(Boolean);
}

/** A member: what one writes, and what it means. */
function lineOf(member) {
  const from = member.getStart(member.getSourceFile());
  const end = member.body?.getStart() ?? member.end;
  const written = plain(member.getSourceFile().text.slice(from, end)).replace(/^(override|declare|readonly|readonly declare) /g, '');
  const symbol = member.name && checker.getSymbolAtLocation(member.name);
  const doc = symbol ? docOf(symbol) : '';
  return `- \`${written.replace(/;$/, '')}\`${doc && '  \n  ' + doc.replaceAll('\n', '\n  ')}`;
}

function isPublic(member) {
  return !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) && !member.name?.getText().startsWith('#');
}

function docOf(symbol) {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker));
}

/** In one line, without comments. */
function plain(source) {
  return source.replace(/\/\*\*?[\s\S]*?\*\//g, '').replace(/\s+/g, ' ').trim();
}

function code(source) {
  return '```ts\n' + source.replace(/^export /, '').trim() + '\n```';
}
