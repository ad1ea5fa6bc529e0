/** The two ways in. Both lead back to the page that asked. */
import { signUp } from 'relatch';
import { returnPath, SignedIn } from 'relatch/react';
import { useActionState, type ReactNode } from 'react';
import { auth, explain } from '../auth.ts';
import { navigate, useAddress } from '../router.ts';

export function LogIn() {
  const submit = async (email: string, password: string) => {
    const result = await auth.signIn({ email, password });
    return result.status === 'signed_in' ? null : 'This account needs a second factor, which this example does not ask for.';
  };
  const { search } = useAddress();
  return (
    <Entrance label="Log in" password="current-password" submit={submit}>
      No account yet? <a href={`/signup${search}`}>Sign up</a>
    </Entrance>
  );
}

export function SignUp() {
  const submit = async (email: string, password: string) => {
    const result = await signUp(auth, { email, password });
    return result.status === 'signed_in' ? null : 'Look into your mail: the rest happens there.';
  };
  const { search } = useAddress();
  return (
    <Entrance label="Sign up" password="new-password" submit={submit}>
      You have an account? <a href={`/login${search}`}>Log in</a>
    </Entrance>
  );
}

function Entrance(props: {
  label: string;
  password: 'current-password' | 'new-password';
  /** Answers what there is to say to somebody who is not in yet. */
  submit: (email: string, password: string) => Promise<string | null>;
  children: ReactNode;
}) {
  const { searchParams } = useAddress();
  const back = returnPath(searchParams.get('return_to') ?? '/hello');
  const [state, action, isPending] = useActionState(
    async (_: { email: string; message: string }, form: FormData) => {
      const [email, password] = [String(form.get('email')), String(form.get('password'))];
      try {
        const message = await props.submit(email, password);
        if (!message) navigate(back);
        return { email, message: message ?? '' };
      } catch (error) {
        return { email, message: explain(error) };
      }
    },
    { email: '', message: '' },
  );
  return (
    <>
      <SignedIn>{({ user }) => <p>You are logged in as {user.email}. <a href={back}>Go on</a></p>}</SignedIn>
      <form action={action}>
        <label>
          Address
          <input name="email" type="email" autoComplete="username" defaultValue={state.email} required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete={props.password} required />
        </label>
        <button className="main" disabled={isPending}>{props.label}</button>
        <p role="alert">{state.message}</p>
      </form>
      <p>{props.children}</p>
    </>
  );
}
