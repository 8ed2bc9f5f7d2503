# The agent of a rewound node is killed before it notes that the rewind is done. The node votes and leads;
# when it stops its data counted as half a copy. Small from seed 1795372400, which broke I21.
world 3 nodes, quorum
acknowledgements 1
suspect_after 800 ms
voter_timeout 3.5 s
promote_timeout 60 s
writers 8, every 0.077281 s
choices seeds 1 to 200
node 1 priority 1
node 2 priority 1 zone east
node 3 priority 3

at 0 ms a machine ends: n3 for 0.783828 s
at 0.580108 s a bulk load: n1
at 0.783828 s WAL is recycled: n1
at 1.691578 s starved of processor time: n1 for 10.5211275 s
at 2.261243 s another durability is wanted for 21.719306 s
at 3.545501 s a slow disk: n1 for 1.8638965 s
at 6.570616 s a slow disk: n2 for 6.654506 s
at 7.1887075 s the store is read-only for 2.2665845 s
at 9.0893745 s kill -9 of a postmaster: n3
at 9.9708455 s walsenders die again and again: n2 for 0.560581 s
at 10.9388995 s one node is cut off but not from the store: n2 for 3.938634 s
at 11.0295915 s one node is cut off but not from the store: n1 for 1.2308265 s
at 14.5746405 s agents alone are cut: n3, n2 for 1.524168 s
at 16.6087035 s nobody hears one node: n3 for 21.993108 s
at 17.1758695 s nobody hears one node: n1 for 3.572896 s
at 17.2895025 s an operator's reinit: n3
at 19.0300175 s agents alone are cut: n3, n2 for 6.082664 s
at 19.8108215 s kill -9 of an agent: n3
at 23.9235575 s kill -9 of an agent: n2
at 24.0224235 s a slow disk: n1 for 11.89907 s
at 24.9769615 s one node is cut off but not from the store: n1 for 2.101619 s
at 28.62795625 s two machines lose power: n2, n3 for 0.4346475 s
heal
await health within 180 s
expect no acknowledged write lost
