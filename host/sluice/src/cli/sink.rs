//! `sluice sink inspect`.
