//! HTML bodies: a bound on their complexity, the sanitiser, and HTML as plain text.

pub mod complexity;
pub mod css_numbers;
pub mod style;
pub mod text_layout;
pub mod text;
pub mod rewriting;
pub mod sanitizer;
