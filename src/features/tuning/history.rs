//! The trials of a search in a task's memory. Other tasks write trials, too, and a search may have many thousands: before each
//! trial only those are read that are new, or had not ended when they were last read.

use std::sync::Arc;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::model::Trial;
use super::store;
use crate::ml::tuning::{TrialRecord, TrialState};

/// Trials in the order of their numbers. Empty before the first reading.
#[derive(Debug, Default)]
pub struct History(Arc<Vec<TrialRecord>>);

impl History {
    /// Reads what has changed. A trial that has ended never changes, so only the others can have.
    pub async fn refresh(&mut self, connection: &mut AsyncPgConnection, job: i64) -> QueryResult<()> {
        let (first_unknown, unfinished) = self.open();
        let changed = store::trials_from(connection, job, first_unknown, &unfinished).await?;
        self.learn(changed.iter().map(to_record));
        Ok(())
    }

    /// Returns all trials that are known.
    pub fn records(&self) -> Arc<Vec<TrialRecord>> {
        Arc::clone(&self.0)
    }

    /// Returns how many trials are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of the first trial that is not known, and the numbers of known trials that had not ended.
    fn open(&self) -> (i32, Vec<i32>) {
        let number = |record: &TrialRecord| record.number.cast_signed();
        let unfinished = self.0.iter().filter(|record| record.state == TrialState::Running).map(number).collect();
        (self.0.last().map_or(0, |last| number(last) + 1), unfinished)
    }

    fn learn(&mut self, changed: impl Iterator<Item = TrialRecord>) {
        // No copy: a trial that was running with the records has ended.
        let known = Arc::make_mut(&mut self.0);
        for record in changed {
            match known.binary_search_by_key(&record.number, |known| known.number) {
                Ok(place) => known[place] = record,
                Err(place) => known.insert(place, record),
            }
        }
    }
}

fn to_record(trial: &Trial) -> TrialRecord {
    let pair = |pair: &Value| Some((pair.get(0)?.as_u64()? as u32, pair.get(1)?.as_f64()?));
    TrialRecord {
        number: trial.number.unsigned_abs(),
        algorithm: trial.algorithm.clone(),
        params: trial.parameters.as_object().cloned().unwrap_or_default(),
        state: trial.state.into(),
        score: trial.score,
        intermediate: trial.intermediate.as_array().into_iter().flatten().filter_map(pair).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trials of a job, as every task writes and reads them.
    #[derive(Default)]
    struct Table(Vec<TrialRecord>);

    impl Table {
        fn begin(&mut self) -> usize {
            let record = TrialRecord {
                number: self.0.len() as u32,
                algorithm: "TopPop".to_owned(),
                params: serde_json::Map::default(),
                state: TrialState::Running,
                score: None,
                intermediate: Vec::new(),
            };
            self.0.push(record);
            self.0.len() - 1
        }

        fn end(&mut self, number: usize, state: TrialState, score: Option<f64>) {
            self.0[number].state = state;
            self.0[number].score = score;
        }

        /// Returns the numbers that were read.
        fn read(&self, history: &mut History) -> Vec<u32> {
            let (first_unknown, unfinished) = history.open();
            let number = |record: &TrialRecord| record.number.cast_signed();
            let is_read = |record: &&TrialRecord| number(record) >= first_unknown || unfinished.contains(&number(record));
            let read: Vec<TrialRecord> = self.0.iter().filter(is_read).cloned().collect();
            let numbers = read.iter().map(|record| record.number).collect();
            history.learn(read.into_iter());
            let seen = |records: &[TrialRecord]| -> Vec<_> {
                records.iter().map(|record| (record.number, record.state, record.score)).collect()
            };
            assert_eq!(seen(&history.records()), seen(&self.0));
            numbers
        }
    }

    #[test]
    fn two_tasks_see_all_trials_of_each_other_and_read_none_that_has_ended_twice() {
        let (mut table, mut ours, mut theirs) = (Table::default(), History::default(), History::default());
        assert!(table.read(&mut ours).is_empty());
        let first = table.begin();
        assert_eq!(table.read(&mut theirs), [0]);
        let second = table.begin();
        // While it runs, the records are borrowed.
        let running = ours.records();
        table.end(first, TrialState::Complete, Some(0.5));
        assert_eq!(table.read(&mut ours), [0, 1]);
        assert!(running.is_empty());
        let third = table.begin();
        assert_eq!(table.read(&mut theirs), [0, 1, 2]);
        table.end(third, TrialState::Pruned, None);
        assert_eq!(table.read(&mut ours), [1, 2], "the first one has ended");
        table.end(second, TrialState::Failed, None);
        assert_eq!(table.read(&mut theirs), [1, 2]);
        assert_eq!(table.read(&mut ours), [1]);
        assert!(table.read(&mut ours).is_empty() && table.read(&mut theirs).is_empty());
    }
}
