# Two one-way cuts, one after the other: a confirmation counts from its question, also if the way back
# is open only later.
world 3 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
choices seeds 1 to 20
procedures
lasts 12 s

at 1 s the store is away for 11 s
at 1 s one node without the store: n1 for 11 s
at 1 s a one-way cut: n2, n1 for 2 s
at 1 s a one-way cut: n3, n1 for 2 s
at 2.9 s nobody hears one node: n1 for 9 s
