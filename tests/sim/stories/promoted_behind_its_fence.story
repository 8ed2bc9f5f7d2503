# PROTOCOL 5.3, what was asked to promote is fenced by stop and start: the promotion of n2 hangs,
# and term 2 is given up. In term 3 its answer counts as that of the leader of its own policy, so
# that n3, which votes there and still streams from n2, is not asked. If n2 only said that it is in
# recovery, its promotion would take effect behind that answer, under the names of term 2. Then
# nothing but its gate keeps it from acknowledging what the leader of term 3 lacks.
world 3 nodes, quorum
acknowledgements 1
promote_timeout 2 s
writers 30, every 50 ms
plant asked_to_promote_is_forgotten
plant gate_stays_open
choices seeds 1 to 20
lasts 20 s

at 1 s a blocked replay: n2
replication alone is cut: n1, n3 for 1 s
after 300 ms replication alone is cut: n1, n2 for 1 s
applications do not reach one node: n1
after 50 ms power loss: n1 for 2 s
after 2500 ms an agent is cut off, its PostgreSQL is not: n3 for 8 s
after 2 s a frozen agent: n2 for 4 s
mend a blocked replay: n2
expect I2 broken
