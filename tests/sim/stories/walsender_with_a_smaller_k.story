# PROTOCOL 4 (c), every walsender passed the probe or is gone: the walsender to n2 stands still while
# k goes from 1 to 2, and the new voters n3 and n4 answer the probe. When it goes on, it handles an
# answer from before with its old k, under which what n3 alone has flushed is released. n4, of which
# the new policy needs no more than one of two, knows nothing of it.
world 4 nodes, quorum
acknowledgements 2
writers 4, every 50 ms
plant proof_without_senders
choices seeds 1 to 20
lasts 25 s

at 1 s a fence by hand: n3
after 1 s a fence by hand: n4
await 1 voters within 10 s
one frozen walsender: n1, n2
mend a fence by hand: n3
mend a fence by hand: n4
after 10 s replication alone is cut: n1, n2 for 20 s
replication alone is cut: n1, n4 for 20 s
after 300 ms mend one frozen walsender: n1, n2
after 100 ms power loss: n1 for 6 s
power loss: n2 for 20 s
power loss: n3 for 20 s
expect I5 broken
