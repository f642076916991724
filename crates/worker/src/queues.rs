//! In which order a claim names its queues: smooth weighted round robin, so that the first place
//! goes round in proportion to the weights and never in long runs of one queue.

use posthaste_core::QueueName;

use crate::config::QueueWeight;

struct Entry {
    queue: QueueName,
    weight: i64,
    current: i64,
}

/// Turns over the queues of a worker.
pub(crate) struct QueueTurns {
    entries: Vec<Entry>,
    total: i64,
}

impl QueueTurns {
    /// Over these queues; a queue named twice keeps its first weight.
    pub(crate) fn new(queues: &[QueueWeight]) -> Self {
        let mut entries: Vec<Entry> = Vec::with_capacity(queues.len());
        for q in queues {
            if !entries.iter().any(|e| e.queue == q.queue) {
                entries.push(Entry {
                    queue: q.queue.clone(),
                    weight: i64::from(q.weight.max(1)),
                    current: 0,
                });
            }
        }
        let total = entries.iter().map(|e| e.weight).sum();
        Self { entries, total }
    }

    /// The queues in the order of the next turn.
    pub(crate) fn next(&mut self) -> Vec<QueueName> {
        for e in &mut self.entries {
            e.current += e.weight;
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        // Stable, so that equal queues keep the order in which they were configured.
        order.sort_by_key(|i| -self.entries[*i].current);
        if let Some(first) = order.first() {
            self.entries[*first].current -= self.total;
        }
        order.into_iter().map(|i| self.entries[i].queue.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[(&str, u32)]) -> QueueTurns {
        let queues: Vec<QueueWeight> = weights
            .iter()
            .map(|(q, w)| QueueWeight { queue: QueueName::new(q).expect("valid"), weight: *w })
            .collect();
        QueueTurns::new(&queues)
    }

    #[test]
    fn the_first_place_goes_round_by_weight_without_long_runs() {
        let mut t = turns(&[("a", 5), ("b", 1), ("c", 1)]);
        let firsts: String = (0..7).map(|_| t.next()[0].as_str().to_owned()).collect();
        assert_eq!(firsts, "aabacaa");
    }

    #[test]
    fn every_turn_names_every_queue_once() {
        let mut t = turns(&[("a", 3), ("b", 0), ("a", 9)]);
        for _ in 0..10 {
            let mut order = t.next();
            order.sort();
            assert_eq!(order.iter().map(QueueName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        }
    }
}
