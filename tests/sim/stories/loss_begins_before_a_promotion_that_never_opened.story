# async: a leader is chosen again after a promotion of its own that never opened, and told a loss that
# began after what its unopened timeline had written. Small from seed 20261125132, which broke I6.
world 5 nodes, async
acknowledgements 1
suspect_after 600 ms
voter_timeout 2 s
promote_timeout 60 s
writers 4, every 300 ms
choices seeds 1 to 100
max_loss 5
procedures

at 0 ms replication alone is cut: n1, n2 for 1 s
at 0 ms replication alone is cut: n1, n3 for 1 s
at 0 ms replication alone is cut: n1, n5 for 500 ms
at 300 ms power loss: n1 for 7.1 s
at 6.07 s agents hear nothing of one: n4 for 1.47 s
at 6.7 s kill -9 of an agent: n2
await health within 180 s
expect no acknowledged write lost
