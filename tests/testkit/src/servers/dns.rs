//! Fake name server over UDP: it returns configured answers, in order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, MX, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

/// Answers by name. Each is used once, and the last one for ever.
#[derive(Clone, Debug, Default)]
pub struct Zone(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<(String, RecordType), VecDeque<Vec<RData>>>,
    asked: Vec<(String, RecordType)>,
    failing: HashSet<String>,
}

impl Zone {
    /// Adds an address; further calls for the same name add the next answers.
    pub fn address(&self, name: &str, ip: &str) {
        match ip.parse().unwrap() {
            IpAddr::V4(v4) => self.add(name, RecordType::A, RData::A(A(v4))),
            IpAddr::V6(v6) => self.add(name, RecordType::AAAA, RData::AAAA(AAAA(v6))),
        }
    }

    pub fn mx(&self, domain: &str, host: &str) {
        self.add(domain, RecordType::MX, RData::MX(MX::new(10, absolute(host))));
    }

    /// `.` as the host: the service is not offered.
    pub fn srv(&self, name: &str, host: &str, port: u16) {
        self.add(name, RecordType::SRV, RData::SRV(SRV::new(0, 0, port, absolute(host))));
    }

    /// Questions about this name are answered SERVFAIL.
    pub fn fail(&self, name: &str) {
        self.0.lock().unwrap().failing.insert(name.to_owned());
    }

    /// All questions so far.
    pub fn questions(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    /// The number of address questions about this name.
    pub fn asked(&self, name: &str) -> usize {
        let inner = self.0.lock().unwrap();
        inner.asked.iter().filter(|(asked, kind)| asked == name && *kind == RecordType::A).count()
    }

    /// Serves until the test ends.
    pub async fn serve(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = self.clone();
        #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let answer = zone.answer(&question).to_vec().unwrap();
                socket.send_to(&answer, peer).await.unwrap();
            }
        });
        address
    }

    fn add(&self, name: &str, kind: RecordType, data: RData) {
        let mut inner = self.0.lock().unwrap();
        inner.records.entry((name.to_owned(), kind)).or_default().push_back(vec![data]);
    }

    fn answer(&self, question: &Message) -> Message {
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        let mut inner = self.0.lock().unwrap();
        for query in &question.queries {
            answer.add_query(query.clone());
            let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
            let key = (name, query.query_type());
            inner.asked.push(key.clone());
            if inner.failing.contains(&key.0) {
                answer.metadata.response_code = ResponseCode::ServFail;
                continue;
            }
            let data = match inner.records.get_mut(&key) {
                Some(answers) if answers.len() > 1 => answers.pop_front(),
                Some(answers) => answers.front().cloned(),
                None => None,
            };
            let known = inner.records.keys().any(|(name, _)| *name == key.0);
            if !known {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            for data in data.into_iter().flatten() {
                // With a time to live of zero: each question arrives here.
                answer.add_answer(Record::from_rdata(query.name().clone(), 0, data));
            }
        }
        answer
    }
}

fn absolute(host: &str) -> Name {
    Name::from_ascii(format!("{}.", host.trim_end_matches('.'))).unwrap()
}
