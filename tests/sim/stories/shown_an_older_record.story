# PROTOCOL 1, a record never goes back: n3 has answered the fence of term 2 and is shown the record
# of term 1, whose leader still has its grant and has not heard of term 2. Even who believes that is
# held back by its promise. If that did not count either, n3 would follow n1 again, and acknowledge
# for it what the leader of term 2 lacks.
world 4 nodes, quorum
acknowledgements 1
writers 4, every 50 ms
plant older_records_are_believed
plant promise_ignored
choices seeds 1 to 20
lasts 8 s

at 1 s one node without the store: n1 for 6 s
agents alone are cut: n1, n2 for 6 s
agents alone are cut: n1, n4 for 6 s
agents alone are cut: n1, n3 for 6 s
replication alone is cut: n2, n3 for 6 s
replication alone is cut: n3, n4 for 6 s
await a leader other than n1 within 10 s
the store shows an older record: n3 for 4 s
agents alone are cut: n2, n3 for 4 s
agents alone are cut: n3, n4 for 4 s
after 1100 ms mend agents alone are cut: n1, n3
expect I2 broken
