//! Passwords that were in breaches, in a file that is asked without being read into memory.
//!
//! The file holds the first 48 bits of the SHA-1 of each password, sorted, which is what the list of Have I Been
//! Pwned consists of: 3 to 6 bytes for each, beside an index. Nothing is ever sent anywhere.
//!
//! ```text
//! header   magic (8) · index bytes k (1) · zero (7) · count (8) · SHA-256 of all that follows (32)
//! index    256^k + 1 numbers of 4 bytes: where the passwords begin whose SHA-1 begins with those k bytes
//! entries  the other 6 - k bytes of each, sorted
//! ```
//!
//! All numbers are big-endian. A password that was never breached is refused by mistake where the first 48 bits
//! of its SHA-1 are those of one that was: for a list of n passwords, once in 2^48 / n. For a thousand million
//! that is once in 280,000.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The passwords of one file.
#[derive(Debug)]
pub struct BreachedFilter {
    path: PathBuf,
    file: Mutex<File>,
    index_bytes: usize,
    count: u64,
    sha256: [u8; 32],
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    /// It can't be read or written.
    #[error("{path} can't be read or written ({source})")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not one of ours, cut off, or changed.
    #[error("{path} is {what}; make it anew with `relatch passwords import`")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// In which way.
        what: &'static str,
    },
    /// A list that is no list of hashes, or isn't sorted.
    #[error("line {line} of {path} {what}; take the list of SHA-1 hashes, ordered by hash")]
    BadList {
        /// Which.
        path: PathBuf,
        /// Where.
        line: u64,
        /// In which way.
        what: &'static str,
    },
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Lines that were read.
    pub lines: u64,
    /// Passwords that the filter knows.
    pub kept: u64,
    /// How large the file is, in bytes.
    pub bytes: u64,
}

impl BreachedFilter {
    /// Opens a filter; one that was cut off is refused. [`check`](Self::check) finds what was changed.
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let failed = |source| BreachedError::Io { path: path.to_owned(), source };
        let damaged = |what| BreachedError::Damaged { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut header = [0; HEADER_BYTES];
        if bytes < HEADER_BYTES as u64 {
            return Err(damaged("no filter of breached passwords"));
        }
        file.read_exact(&mut header).map_err(failed)?;
        let Some(Header { index_bytes, count, sha256 }) = Header::unpack(&header) else {
            return Err(damaged("no filter of breached passwords"));
        };
        if bytes != file_bytes(index_bytes, count) {
            return Err(damaged("cut off or too long"));
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), index_bytes, count, sha256 })
    }

    /// Reads all of it, which takes seconds where it is large, and refuses what is not as it was written.
    pub fn check(&self) -> Result<(), BreachedError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let found = file.seek(SeekFrom::Start(HEADER_BYTES as u64)).and_then(|_| sha256_of_rest(&mut file));
        let found = found.map_err(|source| BreachedError::Io { path: self.path.clone(), source })?;
        if found != self.sha256 {
            let what = "damaged: its checksum is another";
            return Err(BreachedError::Damaged { path: self.path.clone(), what });
        }
        Ok(())
    }

    /// How many passwords it knows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether this password was in a breach. Reads the file: not to be called where others wait.
    pub fn contains(&self, password: &str) -> Result<bool, BreachedError> {
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let Some(prefix) = sha1.as_ref().first_chunk::<PREFIX_BYTES>() else { return Ok(false) };
        self.contains_prefix(prefix).map_err(|source| BreachedError::Io { path: self.path.clone(), source })
    }

    fn contains_prefix(&self, prefix: &[u8; PREFIX_BYTES]) -> std::io::Result<bool> {
        let (bucket, wanted) = prefix.split_at(self.index_bytes);
        let bucket = bucket.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // Nothing in here panics half-way.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(HEADER_BYTES as u64 + bucket * 4))?;
        let (mut from, mut to) = ([0; 4], [0; 4]);
        file.read_exact(&mut from)?;
        file.read_exact(&mut to)?;
        let (mut from, mut to) = (u64::from(u32::from_be_bytes(from)), u64::from(u32::from_be_bytes(to)));
        let entries = HEADER_BYTES as u64 + index_len(self.index_bytes);
        let mut entry = [0; PREFIX_BYTES];
        let entry = &mut entry[..wanted.len()];
        while from < to {
            let middle = from.midpoint(to);
            file.seek(SeekFrom::Start(entries + middle * wanted.len() as u64))?;
            file.read_exact(entry)?;
            match wanted.cmp(entry) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => to = middle,
                std::cmp::Ordering::Greater => from = middle + 1,
            }
        }
        Ok(false)
    }
}

/// Makes a filter of a list in the format of Have I Been Pwned: lines of `SHA-1:count`, ordered by hash. Holds at
/// most 64 MiB in memory, whatever the list's size. `seen_min` leaves out what was seen less often. `told` hears of
/// the lines read so far now and then.
pub fn import(
    list: &Path,
    to: &Path,
    seen_min: u64,
    mut told: impl FnMut(u64),
) -> Result<Imported, BreachedError> {
    let failed = |source| BreachedError::Io { path: list.to_owned(), source };
    let from = File::open(list).map_err(failed)?;
    let index_bytes = index_bytes_for(from.metadata().map_err(failed)?.len() / LINE_BYTES);
    // Beside its place, so that a server never sees half of it.
    let half = to.with_extension("part");
    let imported =
        write(BufReader::with_capacity(1 << 20, from), list, &half, index_bytes, seen_min, &mut told);
    let moved = imported.and_then(|imported| {
        std::fs::rename(&half, to).map_err(|source| BreachedError::Io { path: to.to_owned(), source })?;
        Ok(imported)
    });
    if moved.is_err() {
        let _ = std::fs::remove_file(&half);
    }
    moved
}

fn write(
    mut list: impl BufRead,
    list_path: &Path,
    to: &Path,
    index_bytes: usize,
    seen_min: u64,
    told: &mut impl FnMut(u64),
) -> Result<Imported, BreachedError> {
    let unread = |source| BreachedError::Io { path: list_path.to_owned(), source };
    let unwritten = |source| BreachedError::Io { path: to.to_owned(), source };
    let mut out = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(to)
        .map(|file| BufWriter::with_capacity(1 << 20, file))
        .map_err(unwritten)?;
    out.seek(SeekFrom::Start(HEADER_BYTES as u64 + index_len(index_bytes))).map_err(unwritten)?;

    let mut counts = vec![0u32; buckets(index_bytes)];
    let (mut lines, mut kept, mut last) = (0u64, 0u64, None);
    let mut text = Vec::new();
    loop {
        text.clear();
        // A bound on the line: what is no list must not fill the memory.
        let read = (&mut list).take(LINE_BYTES_MAX).read_until(b'\n', &mut text).map_err(unread)?;
        if read == 0 {
            break;
        }
        lines += 1;
        let bad = |what| BreachedError::BadList { path: list_path.to_owned(), line: lines, what };
        let (prefix, seen) = parse(&text).ok_or_else(|| bad("is not a SHA-1 and a count"))?;
        if last > Some(prefix) {
            return Err(bad("is out of order"));
        }
        if seen >= seen_min && last != Some(prefix) {
            last = Some(prefix);
            let bucket = prefix[..index_bytes].iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
            counts[bucket] += 1;
            kept += 1;
            if kept > u64::from(u32::MAX) {
                return Err(bad("is one password too many"));
            }
            out.write_all(&prefix[index_bytes..]).map_err(unwritten)?;
        }
        if lines.is_multiple_of(TOLD_EVERY) {
            told(lines);
        }
    }
    out.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(unwritten)?;
    let mut begin = 0u32;
    for count in counts {
        out.write_all(&begin.to_be_bytes()).map_err(unwritten)?;
        begin += count;
    }
    out.write_all(&begin.to_be_bytes()).map_err(unwritten)?;
    let mut file = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(unwritten)?;
    let sha256 = sha256_of_rest(&mut file).map_err(unwritten)?;
    file.seek(SeekFrom::Start(0)).map_err(unwritten)?;
    file.write_all(&Header { index_bytes, count: kept, sha256 }.pack()).map_err(unwritten)?;
    file.sync_all().map_err(unwritten)?;
    Ok(Imported { lines, kept, bytes: file_bytes(index_bytes, kept) })
}

/// `SHA-1:count` as hexadecimal and decimal digits, with or without a carriage return.
fn parse(line: &[u8]) -> Option<([u8; PREFIX_BYTES], u64)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    let (hash, seen) = line.split_once(':')?;
    if hash.len() != 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut prefix = [0; PREFIX_BYTES];
    for (at, byte) in prefix.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    let is_number = !seen.is_empty() && seen.bytes().all(|byte| byte.is_ascii_digit());
    Some((prefix, seen.parse().ok().filter(|_| is_number)?))
}

struct Header {
    index_bytes: usize,
    count: u64,
    sha256: [u8; 32],
}

impl Header {
    fn pack(&self) -> [u8; HEADER_BYTES] {
        let mut packed = [0; HEADER_BYTES];
        packed[..8].copy_from_slice(MAGIC);
        packed[8] = self.index_bytes as u8;
        packed[16..24].copy_from_slice(&self.count.to_be_bytes());
        packed[24..].copy_from_slice(&self.sha256);
        packed
    }

    fn unpack(packed: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (magic, rest) = packed.split_first_chunk::<8>()?;
        let (shape, rest) = rest.split_first_chunk::<8>()?;
        let (count, sha256) = rest.split_first_chunk::<8>()?;
        let index_bytes = usize::from(shape[0]);
        let count = u64::from_be_bytes(*count);
        let is_ours = magic == MAGIC
            && index_bytes <= INDEX_BYTES_MAX
            && shape[1..] == [0; 7]
            && count <= u64::from(u32::MAX);
        is_ours.then(|| Self { index_bytes, count, sha256: sha256.try_into().unwrap_or_default() })
    }
}

fn sha256_of_rest(file: &mut File) -> std::io::Result<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
    }
    Ok(context.finish().as_ref().try_into().unwrap_or_default())
}

/// So many that a bucket holds some dozens to some thousands, and the index is small beside the entries.
fn index_bytes_for(passwords: u64) -> usize {
    match passwords {
        0..0x1000 => 0,
        0x1000..0x10_0000 => 1,
        0x10_0000..0x1000_0000 => 2,
        _ => INDEX_BYTES_MAX,
    }
}

fn buckets(index_bytes: usize) -> usize {
    1 << (8 * index_bytes)
}

fn index_len(index_bytes: usize) -> u64 {
    (buckets(index_bytes) as u64 + 1) * 4
}

fn file_bytes(index_bytes: usize, count: u64) -> u64 {
    HEADER_BYTES as u64 + index_len(index_bytes) + count * (PREFIX_BYTES - index_bytes) as u64
}

const MAGIC: &[u8; 8] = b"RLTBRCH1";
const HEADER_BYTES: usize = 8 + 8 + 8 + 32;
/// 48 bits of a SHA-1.
const PREFIX_BYTES: usize = 6;
const INDEX_BYTES_MAX: usize = 3;
/// A hash, a colon, a digit and a line's end.
const LINE_BYTES: u64 = 43;
/// Twenty digits more than a hash needs.
const LINE_BYTES_MAX: u64 = 64;
const TOLD_EVERY: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn hex(sha1: &[u8]) -> String {
        sha1.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02X}").unwrap();
            text
        })
    }

    fn sha1(password: &str) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref().to_vec()
    }

    /// A list of those passwords, each seen as often as its place.
    fn list(passwords: impl IntoIterator<Item = String>) -> String {
        let mut hashes: Vec<String> = passwords.into_iter().map(|one| hex(&sha1(&one))).collect();
        hashes.sort();
        hashes.iter().enumerate().fold(String::new(), |mut text, (at, hash)| {
            write!(text, "{hash}:{}\r\n", at + 1).unwrap();
            text
        })
    }

    fn made(folder: &Path, text: &str, seen_min: u64) -> Result<BreachedFilter, BreachedError> {
        let (from, to) = (folder.join("list.txt"), folder.join("breached.filter"));
        std::fs::write(&from, text).unwrap();
        import(&from, &to, seen_min, |_| {})?;
        let filter = BreachedFilter::open(&to)?;
        filter.check().map(|()| filter)
    }

    #[test]
    fn every_password_of_the_list_is_known_and_no_other_at_every_size() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 1, 2, 300, 5_000, 60_000] {
            let filter = made(folder.path(), &list((0..count).map(|n| format!("breached {n}"))), 1).unwrap();
            assert_eq!(filter.count(), count);
            let step = (count / 500).max(1) as usize;
            for n in (0..count).step_by(step) {
                assert!(filter.contains(&format!("breached {n}")).unwrap(), "{n} of {count}");
            }
            // At 48 bits, one of these is taken for a breached one about once in ten million runs.
            for n in 0..500 {
                assert!(!filter.contains(&format!("fresh {n}")).unwrap(), "{n} of {count}");
            }
        }
    }

    #[test]
    fn a_mistake_takes_the_same_48_bits_and_nothing_less() {
        let folder = tempfile::tempdir().unwrap();
        let own = sha1("an honest password");
        let with = |at: usize| {
            let mut twin = own.clone();
            twin[at] ^= 1;
            format!("{}:1\n", hex(&twin))
        };
        assert!(made(folder.path(), &with(6), 1).unwrap().contains("an honest password").unwrap());
        for at in 0..6 {
            assert!(!made(folder.path(), &with(at), 1).unwrap().contains("an honest password").unwrap());
        }
        // So for n passwords of the list the rate is n / 2^48: once in 280,000 for a thousand million.
        assert_eq!((1u64 << 48) / 1_000_000_000, 281_474);
    }

    #[test]
    fn what_was_seen_rarely_can_be_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let text = list((0..100).map(|n| n.to_string()));
        assert_eq!(made(folder.path(), &text, 91).unwrap().count(), 10);
    }

    #[test]
    fn a_file_that_was_cut_off_lengthened_or_changed_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), &list((0..50).map(|n| n.to_string())), 1).unwrap();
        let path = folder.path().join("breached.filter");
        let whole = std::fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let checked = BreachedFilter::open(&path).and_then(|filter| filter.check());
            let error = checked.unwrap_err().to_string();
            assert!(error.contains("relatch passwords import"), "{error}");
        };
        for length in 0..whole.len() {
            refused(&whole[..length]);
        }
        refused(&[&whole[..], b"x"].concat());
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            refused(&changed);
        }
        std::fs::write(&path, whole).unwrap();
        assert!(BreachedFilter::open(&path).and_then(|filter| filter.check()).is_ok());
        assert!(matches!(
            BreachedFilter::open(&folder.path().join("nowhere")),
            Err(BreachedError::Io { .. })
        ));
    }

    #[test]
    fn a_list_that_is_none_is_refused_by_its_line_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let good = format!("{}:3\n", "A".repeat(40));
        for (bad, why) in [
            (format!("{}:3\n", "0".repeat(40)), "out of order"),
            ("hunter2\n".to_owned(), "not a SHA-1"),
            (format!("{}\n", "B".repeat(40)), "not a SHA-1"),
            (format!("{}:\n", "B".repeat(40)), "not a SHA-1"),
            (format!("{}:-1\n", "B".repeat(40)), "not a SHA-1"),
            (format!("{}:1\n", "G".repeat(40)), "not a SHA-1"),
            (format!("{}:1\n", "B".repeat(41)), "not a SHA-1"),
            ("B".repeat(1000), "not a SHA-1"),
            ("\n".to_owned(), "not a SHA-1"),
        ] {
            let error = made(folder.path(), &format!("{good}{bad}"), 1).unwrap_err().to_string();
            assert!(error.starts_with("line 2 of ") && error.contains(why), "{bad}: {error}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the list itself");
        }
        // Twice the same hash is no disorder.
        assert_eq!(made(folder.path(), &format!("{good}{good}"), 1).unwrap().count(), 1);
    }
}
