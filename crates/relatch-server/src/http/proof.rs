//! What routes ask of a live session before they do what a stolen one must not do.

use super::caller::Caller;
use super::code;
use super::problem::Problem;
use crate::accounts::{Proof, ProofRefusal};
use relatch_core::Session;
use relatch_token::Secret;

/// The proof that a request brings.
pub(super) fn proof(
    caller: &Caller,
    session: Session,
    current_password: Secret<String>,
    code: Option<Secret<String>>,
) -> Proof {
    Proof { session, password: current_password, code, address: caller.ip, origin: caller.origin(None) }
}

/// Why it proves nothing: never a 401, which would send clients refreshing.
pub(super) fn refused(refusal: ProofRefusal) -> Problem {
    match refusal {
        ProofRefusal::WrongPassword => Problem::new(&code::WRONG_PASSWORD),
        ProofRefusal::CodeRequired { methods } => {
            Problem::new(&code::CODE_REQUIRED).member("methods", methods.words().into())
        }
        ProofRefusal::WrongCode => Problem::new(&code::WRONG_CODE),
        ProofRefusal::TooMany { retry_after } => {
            Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after)
        }
    }
}
