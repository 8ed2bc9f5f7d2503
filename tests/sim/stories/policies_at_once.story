# k_falls_beside_a_stuck_walsender, where n2 alone follows "any 2 of n2, n3" at once.
world 3 nodes, quorum
acknowledgements 2
writers 6, every 50 ms
plant policies_at_once
choices seeds 1 to 20
lasts 30 s

at 1 s a one-way cut: n1, n2 for 8 s
after 200 ms one frozen walsender: n1, n3 for 8 s
an operator's reinit: n3
after 750 ms power loss: n1 for 10 s
power loss: n3 for 10 s
expect I5 broken
