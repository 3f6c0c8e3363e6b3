title: A backup asks the primary before it answers a read from its own copy
rule: docs/protocol.md, "Reads"; a shrunk run in which it did not
nodes: 1 2

at 0 node 1: starts as life 2
at 0 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Seek 1>2 #1 to host2:80: members {1 2}
at 0 node 2: starts as life 1
at 0 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Told 2>1 #1 to host1:80: members {1 2}, epoch 0
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 2: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/2, members {1 2}, numbered no
at 0.501641 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, synced none, history none, base 0, log end 0, commit 0, lineage []
at 1.249883 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, history 2, end 0, lineage [], dropped []

# A write at the primary. In the end the client has its answer, and node 2 holds the write, but does not know
# that it is committed.
at 1.665712 node 1: put k0 = v25 (0)
at 1.786868 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 2: ballot 1.0@1/2
at 2.57978 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, first 0, operations [], commit 0, round 0
at 3.405831 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 4.343443 node 1: receives Replicated 2>1 #1
    sends Replicate 1>2 #2 to host2:80 life 1: ballot 1.0@1/2, first 0, operations [<put k0 = v25 of 1/2#0>], commit 0, round 0
at 5.139337 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 2: ballot 1.0@1/2, log end 1, round 0
at 5.196177 node 1: receives Replicated 2>1 #2
    answers (0): created at 0

# A read at node 2 that began after that answer: node 2's own copy is too old.
at 31.48199 node 2: get k0 (1)
    sends Confirm 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, ask 1
at 32 node 1: receives Confirm 2>1 #1
    sends Replicate 1>2 #3 to host2:80 life 1: ballot 1.0@1/2, first 1, operations [], commit 1, round 1
at 33 node 2: receives Replicate 1>2 #3
    sends Replicated 2>1 #3 to host1:80 life 2: ballot 1.0@1/2, log end 1, round 1
at 34 node 1: receives Replicated 2>1 #3
    sends Confirmed 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, ask 1, position 1
at 35 node 2: receives Confirmed 1>2 #1
    answers (1): v25 after 1
