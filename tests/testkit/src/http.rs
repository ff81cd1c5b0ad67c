//! Minimal HTTP/1.1 client over a plain socket, so that tests and benches control every byte,
//! including bodies that are not what they claim to be.
//!
//! One connection is used for every request until the server closes it.
//!
//! Standards: RFC 9112 §6 and §7.1 (bodies with a length, and chunked ones).

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any response takes, so that a hang fails its own test only.
const PATIENCE: Duration = Duration::from_secs(120);

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Header fields, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A client with one connection to the host.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    stream: Option<BufReader<TcpStream>>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{} {}: {error}", self.status, self.text()),
        }
    }

    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn ended(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
    }

    /// The body's JSON.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        self.ended(status);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Client {
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, token: token.map(str::to_owned), stream: None }
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, &[], b"")
    }

    #[track_caller]
    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.call(
            method,
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// # Panics
    /// When there is no response.
    #[track_caller]
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        match self.try_call(method, path, headers, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// Sends a body without a length; `body` is in chunks already (RFC 9112 §7.1).
    #[track_caller]
    pub fn chunked(&mut self, path: &str, content_type: (&str, &str), body: &[u8]) -> Answer {
        let headers = [content_type, ("transfer-encoding", "chunked")];
        self.call("POST", path, &headers, body)
    }

    /// As [`Self::call`], but returns an error when there is no response, since the host may be
    /// killed meanwhile. An idle connection may have been closed by the server; then a GET is
    /// repeated.
    pub fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let used = self.stream.is_some();
        match self.call_once(method, path, headers, body) {
            Err(_) if used && method == "GET" => self.call_once(method, path, headers, body),
            ended => ended,
        }
    }

    fn call_once(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let chunked = headers.iter().any(|(name, _)| *name == "transfer-encoding");
        if !chunked && (!body.is_empty() || method == "POST") {
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut request = head.into_bytes();
        request.extend_from_slice(body);

        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(self.connect()?),
        };
        // A host that refuses a body early may close before it is all written: the response is
        // still read.
        let written = stream.get_mut().write_all(&request);
        let (answer, reusable) = match (read(&mut stream, method == "HEAD"), written) {
            (Ok(read), _) => read,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        // After 413 the body is half read, so the host closes the connection.
        if reusable && answer.status != 413 {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// The response, and whether the connection may be reused.
fn read(stream: &mut impl BufRead, head_only: bool) -> io::Result<(Answer, bool)> {
    let status_line = line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| bad(&status_line))?;
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let mut reusable = answer.header("connection") != Some("close");
    if head_only || status == 204 {
        return Ok((answer, reusable));
    }
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().map_err(|_| bad(length))?];
        stream.read_exact(&mut answer.body)?;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = line(stream)?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| bad(&size))?;
            let start = answer.body.len();
            answer.body.resize(start + size, 0);
            stream.read_exact(&mut answer.body[start..])?;
            line(stream)?;
            if size == 0 {
                break;
            }
        }
    } else {
        stream.read_to_end(&mut answer.body)?;
        reusable = false;
    }
    Ok((answer, reusable))
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {text:?}"))
}
