# PROTOCOL 4: n2 is silent for n1, n3 is to be cloned, so k falls from 2 to 1 and n2 alone is to vote.
# The walsender to n3 stands still with its copy of the old names, and so goes on being counted. If n2's,
# which waits for one only, were there already, it would release what n3 has and n2 lacks: neither
# "any 2 of n2, n3" nor "n2". Decision 0057.
world 3 nodes, quorum
acknowledgements 2
writers 6, every 50 ms
choices seeds 1 to 20
lasts 30 s

at 1 s a one-way cut: n1, n2 for 8 s
after 200 ms one frozen walsender: n1, n3 for 8 s
an operator's reinit: n3
after 750 ms power loss: n1 for 10 s
power loss: n3 for 10 s
expect no acknowledged write lost
