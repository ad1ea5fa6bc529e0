//! The embedded store: SQLite behind one writer thread that commits in groups.
