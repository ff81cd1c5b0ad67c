//! IMAP and SMTP over a stream that it is handed.
