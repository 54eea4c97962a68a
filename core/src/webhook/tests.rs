//! Table W of the attacks, as far as core decides it.
