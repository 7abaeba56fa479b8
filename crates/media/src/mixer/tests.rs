//! The mixer by itself: sums, limiter, choice and seams. Everything random comes from a printed seed.
