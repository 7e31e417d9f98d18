//! Known answers; the vectors and grids of other implementations are in `tests/suite/create.rs`.
