//! HTML bodies: complexity check, sanitiser, and conversion to plain text.

pub mod complexity;
pub mod css_numbers;
pub mod style;
pub mod text_layout;
pub mod text;
pub mod rewriting;
pub mod sanitizer;
