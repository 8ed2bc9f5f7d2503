# A start forgets histories that it cannot follow. Shrunk from seed 1860014701: n4 loses its power
# with the history of a sibling of its own timeline, before it has that of the child which its leader
# is on. PostgreSQL would refuse each start, and nothing else would mend it: its WAL fits its leader's.
world 4 nodes, quorum
acknowledgements 1
suspect_after 800 ms
promote_timeout 60 s
writers 3, every 300 ms
plant keeps_what_is_no_child
choices seeds 1 to 66
procedures
lasts 16.338061 s

at 0 ms a frozen machine: n1 for 1 s
at 0.804893 s two machines lose power: n2, n3 for 3.035473 s
at 4.81 s a frozen machine: n4 for 2.64 s
at 5.39 s a frozen machine: n1 for 2.14 s
at 7.49 s two halves: n2 for 190 ms
at 7.5 s an operator's restart: n4
expect I24 broken
