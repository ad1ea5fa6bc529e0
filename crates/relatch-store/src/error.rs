//! What a store can fail at.

/// What could not be done. A conflict is not among them: it is an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It didn't answer, or its answer is unknown: the caller may try again and must not conclude anything.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What it holds can't be read: an operator has to look at it.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}
