# A server that knows of a timeline which leaves its own further on, and has streamed its own beyond
# that place, is started without that history before it answers. Shrunk from seed 1960020639: n3 is
# chosen and promoted, and never opens; n2 fetches its history and no WAL. Then n1 is chosen in vain,
# and n2 streams what it has of the timeline before. Promoted next, n2 would name the timeline of n3
# as its parent, and n3 would seem to hold nothing that n2 lacks.
world 3 nodes, quorum
acknowledgements 1
writers 4, every 300 ms
plant promotes_past_a_fork
choices seeds 1 to 66
lasts 30.93390575 s

at 0 ms power loss: n2 for 13.074418 s
at 0.724396 s one frozen walsender: n1, n2 for 12 s
at 1.131271 s walsenders die: n1
at 4.088418 s agents hear nothing of one: n1 for 14.760347 s
at 4.2241795 s frozen walsenders: n3 for 20.312947 s
at 11.3616315 s a ring of majorities for 4.9127245 s
at 12.0919535 s one node is refused by the store: n1 for 22.848202 s
at 14.5398635 s one node is refused by the store: n3 for 21.184173 s
at 18.7493075 s kill -9 of a supervisor: n3
at 19.12066775 s agents alone are cut: n3, n2 for 12.1975365 s
at 19.16087475 s kill -9 of an agent: n1
at 19.33701075 s starved of processor time: n2 for 2.7292675 s
expect I10 broken
