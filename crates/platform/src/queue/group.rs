//! Workers that share their places, and the last place, which no tenant takes that has a running job.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::claimer::Room;

/// Workers that share their places. They run one job more than `places`: the last free place only goes to a tenant without a
/// running job, on any worker. So the long jobs of one tenant can take all `places`, and those of another do not wait for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The names of its workers, and of no others, begin with this.
    name: String,
    places: usize,
}

impl Group {
    pub fn new(name: String, places: usize) -> Self {
        Self { name, places: places.max(1) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many jobs its workers run at once.
    pub fn most_at_once(&self) -> usize {
        self.places + 1
    }

    /// Returns a name for one of its workers that no other worker has.
    pub fn fresh_name(&self) -> String {
        format!("{}-{}", self.name, Uuid::new_v4().simple())
    }

    /// Limits what a worker of the group may claim in the present transaction, until whose end no other worker of the group claims
    /// anything.
    pub(super) async fn limit(&self, connection: &mut AsyncPgConnection, room: Room) -> QueryResult<Room> {
        let lock = diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('worker_group:' || $1, 0))");
        lock.bind::<Text, _>(&self.name).execute(connection).await?;
        Ok(self.room_beside(self.running(connection).await?, room))
    }

    async fn running(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            running: i64,
        }
        let sql = "SELECT count(*) AS running FROM jobs WHERE state = 'running' AND starts_with(lease_owner, $1)";
        Ok(diesel::sql_query(sql).bind::<Text, _>(&self.name).get_result::<Count>(connection).await?.running)
    }

    /// Returns what may be claimed while the workers of the group run this many jobs.
    fn room_beside(&self, running: i64, room: Room) -> Room {
        let left = i64::try_from(self.places).unwrap_or(i64::MAX).saturating_sub(running);
        match left {
            1.. => Room { most: room.most.min(left), ..room },
            0 => Room { most: room.most.min(1), most_per_tenant: 1, ..room },
            _ => Room { most: 0, ..room },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_goes_to_one_job_of_a_tenant_without_any() {
        let (group, room) = (Group::new("g".to_owned(), 2), Room::new(8, None));
        let of_anyone = |most| Room { most, ..room };
        assert_eq!(group.room_beside(0, room), of_anyone(2));
        assert_eq!(group.room_beside(1, room), of_anyone(1));
        assert_eq!(group.room_beside(2, room), Room { most: 1, most_per_tenant: 1, ..room });
        assert_eq!(group.room_beside(3, room), of_anyone(0));
        assert_eq!(group.room_beside(0, Room::new(1, None)).most, 1);
    }
}
