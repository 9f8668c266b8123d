//! (room provision)
