//! A wrapper for what must never be printed.

use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A value that prints `[redacted]`, compares in constant time and wipes itself when dropped.
///
/// ```
/// let key = relatch_token::Secret::new([7u8; 32]);
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// assert_eq!(key, relatch_token::Secret::new([7u8; 32]));
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place where it could leak, so keep them few.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().ct_eq(other.0.as_ref()).into()
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
