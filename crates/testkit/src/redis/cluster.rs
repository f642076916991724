//! A Cluster of masters.
//!
//! Its nodes are told about each other and of their slots directly, without waiting for one another. It still takes a
//! little more than two seconds: a master that has just started refuses writes for that long, whatever it knows. So a
//! Cluster is worth sharing between the cases of one test process.

use std::time::{Duration, Instant};

use super::{Appendonly, RedisOptions, RedisServer, Reply, Wire};

const SLOTS: u16 = 16_384;
const FORMS_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at a Cluster that is forming.
const LOOK: Duration = Duration::from_millis(10);

/// The Cluster.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    options: RedisOptions,
}

impl RedisCluster {
    /// Starts a Cluster of so many masters, without replicas, and waits until it takes writes.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(masters: u16) -> Self {
        Self::start_with(masters, Appendonly::Off)
    }

    /// As [`RedisCluster::start`], with an append-only file at each node.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(masters: u16, appendonly: Appendonly) -> Self {
        let args = [
            ("--cluster-enabled", "yes"),
            ("--cluster-node-timeout", "2000"),
            ("--cluster-config-file", "nodes.conf"),
            ("--cluster-announce-ip", "127.0.0.1"),
        ];
        let args = args.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect();
        let options = RedisOptions { appendonly, args, ..RedisOptions::default() };
        let starting = (0..masters).map(|_| {
            let options = options.clone();
            std::thread::spawn(move || RedisServer::start(&options))
        });
        let starting = starting.collect::<Vec<_>>();
        let nodes = starting.into_iter().map(|node| node.join().expect("a node starts")).collect();
        let cluster = Self { nodes, options };
        cluster.form();
        cluster
    }

    fn form(&self) {
        let count = u32::try_from(self.nodes.len()).expect("a handful");
        let first = |node: u32| (u32::from(SLOTS) * node / count).to_string();
        let last = |node: u32| (u32::from(SLOTS) * (node + 1) / count - 1).to_string();
        let mut wires = self.nodes.iter().map(RedisServer::wire).collect::<Vec<_>>();
        for (index, wire) in (0..count).zip(&mut wires) {
            wire.must(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            wire.must(&["CLUSTER", "ADDSLOTSRANGE", &first(index), &last(index)]);
        }
        // Only then: a node that has met another takes no epoch any more.
        for wire in &mut wires {
            for other in &self.nodes {
                wire.must(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]);
            }
        }
        for wire in &mut wires {
            until("the Cluster forms", || {
                is_formed(wire, self.nodes.len()).then_some(()).ok_or_else(|| info(wire))
            });
        }
    }

    /// The URL, with all nodes.
    pub fn url(&self) -> String {
        let hosts = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect::<Vec<_>>();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Adds a replica of a master and waits until it has what the master has.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn add_replica(&mut self, of: usize) {
        let replica = RedisServer::start(&self.options);
        let mut wire = replica.wire();
        for node in &self.nodes {
            wire.must(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]);
        }
        let known = self.nodes.len() + 1;
        until("the replica knows the Cluster", || {
            is_formed(&mut wire, known).then_some(()).ok_or_else(|| info(&mut wire))
        });
        wire.must(&["CLUSTER", "REPLICATE", &self.id(of)]);
        until("the replica has everything", || match wire.command(&["INFO", "replication"]) {
            Reply::Text(text) if text.contains("master_link_status:up") => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let mut others = self.nodes.iter().map(RedisServer::wire).collect::<Vec<_>>();
        for other in &mut others {
            until("every node knows the replica", || {
                is_formed(other, known).then_some(()).ok_or_else(|| info(other))
            });
        }
        self.nodes.push(replica);
    }

    /// A node, from zero.
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The slot of a key.
    ///
    /// # Panics
    /// When the Cluster does not say.
    pub fn slot_of(&self, key: &str) -> u16 {
        self.nodes[0].wire().must(&["CLUSTER", "KEYSLOT", key]).text().parse().expect("a slot is a number")
    }

    /// The index of the node that has a slot.
    ///
    /// # Panics
    /// When no node says that it has it.
    pub fn owner_of(&self, slot: u16) -> usize {
        let owns = |node: &RedisServer| {
            let me = node.wire().must(&["CLUSTER", "MYID"]).text();
            node.wire().must(&["CLUSTER", "SLOTS"]).rows().iter().any(|row| {
                let row = row.rows();
                let range =
                    row[0].text().parse::<u16>().expect("a slot")..=row[1].text().parse().expect("a slot");
                range.contains(&slot) && row[2].rows()[2].text() == me
            })
        };
        self.nodes.iter().position(owns).expect("the slot has a master")
    }

    /// Begins to move a slot: from now on a key that its node does not have is asked for at the other.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn begin_move(&self, slot: u16, to: usize) {
        let from = self.owner_of(slot);
        let slot = slot.to_string();
        let (source, target) = (self.id(from), self.id(to));
        self.nodes[to].wire().must(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
        self.nodes[from].wire().must(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    }

    /// Moves at most `count` keys of a slot whose move has begun; how many it moved.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn move_keys(&self, slot: u16, to: usize, count: usize) -> usize {
        let from = self.owner_of(slot);
        let mut source = self.nodes[from].wire();
        let keys = source.must(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &count.to_string()]);
        let port = self.nodes[to].port.to_string();
        for key in keys.rows() {
            source.must(&["MIGRATE", "127.0.0.1", &port, &key.text(), "0", "10000"]);
        }
        keys.rows().len()
    }

    /// Ends a move of a slot whose keys have all moved.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn end_move(&self, slot: u16, to: usize) {
        let from = self.owner_of(slot);
        let (slot, target) = (slot.to_string(), self.id(to));
        let others = (0..self.nodes.len()).filter(|node| *node != to && *node != from);
        for node in [to, from].into_iter().chain(others) {
            self.nodes[node].wire().must(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
        }
    }

    /// Moves a slot with its keys, one by one, as `redis-cli --cluster reshard` does.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to);
        while self.move_keys(slot, to, 10) > 0 {}
        self.end_move(slot, to);
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].wire().must(&["CLUSTER", "MYID"]).text()
    }
}

/// Looks until it is so, or panics with what was seen last.
fn until(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + FORMS_WITHIN;
    while let Err(seen) = look() {
        assert!(Instant::now() < deadline, "waited in vain until {what}: {seen}");
        std::thread::sleep(LOOK);
    }
}

fn info(wire: &mut Wire) -> String {
    match wire.command(&["CLUSTER", "INFO"]) {
        Reply::Text(text) => text,
        other => format!("{other:?}"),
    }
}

fn is_formed(wire: &mut Wire, nodes: usize) -> bool {
    let info = info(wire);
    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r\n"))
}
