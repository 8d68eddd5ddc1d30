"""Pairs of texts and what may become of them, written for this bench.

Opposites are never merged. Changed values and swapped roles may become one template that keeps all
values. Paraphrases keep their texts; that they are told apart costs nothing but bytes.
"""

OPPOSITES = (
    ("Container 17 started on node-4", "Container 17 stopped on node-4"),
    ("Removing base or swap file /var/a1", "Base or swap file too young to remove: /var/a1"),
    ("PGOOD is asserted", "PGOOD IS NOT ASSERTED"),
    ("Task task_0020_m_000001 succeeded", "Task task_0020_m_000001 failed"),
    ("Instance 9 spawned", "Instance 9 destroyed"),
    ("GET /v1/tenants/acme HTTP/1.1 200", "DELETE /v1/tenants/acme HTTP/1.1 200"),
    ("job etl-7 state=running attempt=1", "job etl-7 state=failed attempt=1"),
    ("pipeline=orders healthy=true lag=0 offset=9", "pipeline=orders healthy=false lag=0 offset=9"),
    ("action: com.example.screen.SCREEN_ON", "action: com.example.screen.SCREEN_OFF"),
    ("POST /jobs/42/pause", "POST /jobs/42/resume"),
    ("Connection to 10.0.0.7:9092 opened", "Connection to 10.0.0.7:9092 closed"),
    ("session opened for user root by (uid=0)", "session closed for user root by (uid=0)"),
    ("Replica 3 is in sync with leader 1", "Replica 3 is out of sync with leader 1"),
    ("The user likes coffee after 6 pm", "The user dislikes coffee after 6 pm"),
    ("Schema check v12 passed", "Schema check v12 did not pass"),
    ("Index idx_41 can be dropped", "Index idx_41 can't be dropped"),
    ("worker_3_up", "worker_3_down"),
    ("Access for alice granted by policy 5", "Access for alice denied by policy 5"),
    ("unit http-2-enabled.service 1", "unit http-2-disabled.service 1"),
    ("Budget of project p7 increased by 10 %", "Budget of project p7 decreased by 10 %"),
)
VALUES = (
    ("Disk of node-3 is 71% full", "Disk of node-3 is 92% full"),
    ("Found 12 rows without a key", "Found 13 rows without a key"),
    ("Deployed build 2024.11.03 to eu-1", "Deployed build 2024.11.04 to eu-1"),
    ("Retrying 10.1.2.3:8030, tried 4 times", "Retrying 10.1.2.4:8030, tried 4 times"),
    ("Checkpoint at 2026-11-23 10:00:00", "Checkpoint at 2026-11-23 10:15:00"),
    ("Read s3://raw/2026/11/a.parquet", "Read s3://raw/2026/11/b.parquet"),
    ("Balance is -5 dollars", "Balance is 5 dollars"),
    ("Port 5432 of db-1 answered in 3 ms", "Port 5432 of db-1 answered in 3000 ms"),
    ("Commit 5f3ab2c01 is on main", "Commit 9e1c77d04 is on main"),
    ("Failed password for root from 10.2.3.4", "Failed password for guest from 10.2.3.4"),
)
ROLES = (
    ("Copied block 7 from node-1 to node-2", "Copied block 7 from node-2 to node-1"),
    ("Alice paid Bob 20 dollars", "Bob paid Alice 20 dollars"),
    ("Moved 3 of 8 shards", "Moved 8 of 3 shards"),
    ("10.0.0.1 connected to 10.0.0.2", "10.0.0.2 connected to 10.0.0.1"),
    ("job_1 waits for job_2", "job_2 waits for job_1"),
    ("Replaced v1.2.3 by v1.2.4", "Replaced v1.2.4 by v1.2.3"),
    ("Linked /a/x to /b/y", "Linked /b/y to /a/x"),
    ("Carol reviews what Dave wrote", "Dave reviews what Carol wrote"),
    ("Merged 5f3ab2c01 into 9e1c77d04", "Merged 9e1c77d04 into 5f3ab2c01"),
    ("Team blue handed 4 tickets to team green", "Team green handed 4 tickets to team blue"),
)
PARAPHRASES = (
    ("Disk usage on node-7 reached 91%", "node-7 has 91% of its disk in use"),
    (
        "The nightly load of orders failed after 3 tries",
        "After 3 tries the nightly load of orders failed",
    ),
    (
        "Job etl-12 took 340 s, twice as long as usual",
        "It took etl-12 340 s to run, double the usual",
    ),
    ("User prefers answers in German", "The user wants to be answered in German"),
    (
        "Partition 4 of topic clicks has no leader",
        "There is no leader for topic clicks, partition 4",
    ),
    ("We drop rows without customer_id", "Rows lacking a customer_id are dropped"),
    (
        "The API key of tenant 88 expires on 2026-12-01",
        "Tenant 88's API key runs out on 2026-12-01",
    ),
    ("Backfill of 2024-05 is done", "The backfill for 2024-05 has finished"),
    ("Spark executor 5 lost on host mesos-07", "Host mesos-07 lost Spark executor 5"),
    ("Schema of table sales_v2 got a column region", "Column region was added to table sales_v2"),
    ("Latency p99 is 820 ms since deploy 51", "Since deploy 51 the p99 latency is 820 ms"),
    ("Retry only idempotent calls", "Only calls that are idempotent are to be retried"),
    ("Cache hit rate fell to 40%", "The rate of cache hits dropped to 40%"),
    ("Customer 1009 asked for a refund of $35", "A refund of $35 was requested by customer 1009"),
    ("Kafka broker 2 restarted at 14:05", "At 14:05 Kafka broker 2 was restarted"),
    ("Airflow DAG ingest_7 is paused", "DAG ingest_7 in Airflow has been paused"),
    ("Model drift score is 0.31", "The drift score of the model stands at 0.31"),
    ("Do not write to prod-3 on Fridays", "On Fridays prod-3 must not be written to"),
    ("The join on user_id doubles rows", "Rows are doubled by joining on user_id"),
    ("Memory of pod web-9 went over 2 GB", "Pod web-9 used more than 2 GB of memory"),
)
