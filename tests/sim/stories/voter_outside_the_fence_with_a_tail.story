# PROTOCOL 2 and 3, and the second test of section 10: n4 does not answer the fence of term 2,
# and its PostgreSQL goes on looking for n1, with a tail that n2 lacks. n1 is rewound, and leads
# again in term 3. What n4 reports there as flushed lies in the same segment and on a history that
# n1 has left. If it were in P' although nobody had fenced it, and its name of term 1 counted in
# term 3, that would acknowledge what it does not have.
world 4 nodes, quorum
acknowledgements 2
writers 3, every 200 ms
plant names_without_term
plant unfenced_ones_vote
choices seeds 1 to 20
lasts 20 s

at 1 s an agent is cut off, its PostgreSQL is not: n4
an agent is cut off, its PostgreSQL is not: n1 for 8 s
replication alone is cut: n1, n2 for 8 s
replication alone is cut: n1, n3 for 8 s
await a leader other than n1 within 30 s
after 20 s an operator's switchover: n1
await leader n1 within 30 s
await 20 writes within 30 s
expect I12 broken
