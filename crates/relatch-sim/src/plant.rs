//! Bugs that are planted on purpose, to see that the checker finds them.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// The store acknowledges the end of a session and forgets it.
    ForgetsRevokes,
    /// Reads come from a cache that nobody refreshes, as long as the row was live in it.
    StaleReads,
    /// Trouble with the store is answered with 401.
    TroubleIs401,
    /// Everybody gets the same child, whatever attempt they name.
    SameChild,
    /// A refresh writes an event each time, apart from its commit.
    WritesTwice,
    /// A 401 for a wrong device ends the session.
    DeviceEndsSession,
}

impl Plant {
    /// Every bug there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::ForgetsRevokes,
        Self::StaleReads,
        Self::TroubleIs401,
        Self::SameChild,
        Self::WritesTwice,
        Self::DeviceEndsSession,
    ];
}
