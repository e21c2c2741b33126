//! Partitions of the events, which grow with the traffic, made before they are needed.

use std::time::Duration;

use chrono::{Datelike, Months, NaiveDate};

use tokio_util::sync::CancellationToken;

use super::store;
use crate::platform::services::Services;

/// The table partitioned by month.
const PARTITIONED: &str = "conversion_events";
/// How many months there are partitions for beyond the present one.
const MONTHS_AHEAD: u32 = 3;
const PAUSE: Duration = Duration::from_secs(3_600);

/// Looks every hour until told to stop.
pub async fn keep_ahead(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match make_ahead(&services).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(made, "made partitions for the months to come"),
            Err(error) => tracing::warn!(%error, "partitions could not be made; events go to the default partition"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Makes the partitions of this month and the next ones where they are missing, and says how many were. Safe to repeat, and in
/// several processes at once; what nobody made one for is kept in the default partition until then.
pub async fn make_ahead(services: &Services) -> anyhow::Result<usize> {
    let today = services.clock.now().date_naive();
    let mut connection = services.db.unrestricted_conn().await?;
    let mut made = 0;
    for month in months_from(today) {
        made += usize::from(store::make_partition(&mut connection, PARTITIONED, month).await?);
    }
    Ok(made)
}

fn months_from(today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let first = today.with_day(1).unwrap_or(today);
    (0..=MONTHS_AHEAD).filter_map(move |months| first.checked_add_months(Months::new(months)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_over_the_end_of_a_year() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let months: Vec<String> = months_from(today).map(|month| month.to_string()).collect();
        assert_eq!(months, ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"]);
    }
}
