# PROTOCOL 4 (a), the probe has WAL to wait for: no application reaches n4, so that nothing is written
# while the walsender to n1 stands still and k goes from 1 to 2. A transaction that has only an xid
# waits for nobody, and n1 has flushed all that there is: it looks as if its walsender had passed the
# probe. When that goes on, it handles an answer from before with its old k, under which what n2
# alone has flushed is released. n3, of which the new policy needs no more than one of two, knows
# nothing of it.
world 4 nodes, quorum
acknowledgements 2
writers 3, every 100 ms
plant probe_with_only_an_xid
choices seeds 1 to 20
lasts 25 s

at 1 s an operator's switchover: n4
await leader n4 within 30 s
await health within 60 s
a fence by hand: n2
after 1 s a fence by hand: n3
await 1 voters within 10 s
applications do not reach one node: n4
after 4 s one frozen walsender: n4, n1
mend a fence by hand: n2
mend a fence by hand: n3
after 10 s replication alone is cut: n4, n1 for 20 s
replication alone is cut: n4, n3 for 20 s
a procedure commits: n4
after 300 ms mend one frozen walsender: n4, n1
after 100 ms power loss: n4 for 6 s
power loss: n1 for 20 s
power loss: n2 for 20 s
expect I5 broken
