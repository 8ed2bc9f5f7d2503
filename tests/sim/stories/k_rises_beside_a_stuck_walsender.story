# PROTOCOL 4: n3 becomes a voter, and k rises from 1 to 2, while the walsender to n2 stands still. It
# wakes up with its old k of one, and n3 is counted already: what n3 alone has would be released,
# under neither "n2" nor "any 2 of n2, n3". Decision 0057.
world 3 nodes, quorum
acknowledgements 2
writers 4, every 50 ms
choices seeds 1 to 20
lasts 30 s

at 1 s a fence by hand: n3
await 1 voters within 10 s
one frozen walsender: n1, n2
mend a fence by hand: n3
after 1800 ms replication alone is cut: n1, n2 for 20 s
after 300 ms mend one frozen walsender: n1, n2
after 100 ms power loss: n1 for 10 s
power loss: n3 for 10 s
expect no acknowledged write lost
