//! Tests of the IVF format, both ways.

use super::*;
