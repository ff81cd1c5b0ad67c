//! Builds the default application and embeds it.
