title: Who has promised a ballot acknowledges nothing lower
rule: docs/protocol.md, invariant 4 (seal); a shrunk run in which a backup broke it
nodes: 0 1 2

at 0 node 0: starts as life 2
at 0 node 0: told {0 1 2} epoch 1
    accepts the view
    notes view_told members=0=host0:80,1=host1:80,2=host2:80 epoch=1
    sends Seek 0>1 #1 to host1:80: members {0 1 2}
    sends Seek 0>2 #1 to host2:80: members {0 1 2}
at 0 node 1: starts as life 3
at 0 node 1: told {0 1 2} epoch 1
    accepts the view
    notes view_told members=0=host0:80,1=host1:80,2=host2:80 epoch=1
    sends Told 1>0 #1 to host0:80: members {0 1 2}, epoch 1
at 0 node 2: starts as life 1
at 0 node 2: told {0 1 2} epoch 1
    accepts the view
    notes view_told members=0=host0:80,1=host1:80,2=host2:80 epoch=1
    sends Told 2>0 #1 to host0:80: members {0 1 2}, epoch 1
at 0 node 1: receives Seek 0>1 #1
    notes ignored reason=nothing_to_offer message=Seek sender=0
    sends Refuse 1>0 #1 to host0:80 life 2: ballot none, reason nothing_to_offer, addressee 1, promised none
at 0 node 2: receives Seek 0>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=0
    sends Refuse 2>0 #1 to host0:80 life 2: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 0: receives Refuse 1>0 #1
at 0 node 0: receives Refuse 2>0 #1
    notes proposed ballot=1.0@0 members=0,1,2
    sends Propose 0>1 #1 to host1:80: ballot 1.0@0/2, members {0 1 2}, numbered yes
    sends Propose 0>2 #1 to host2:80: ballot 1.0@0/2, members {0 1 2}, numbered yes
at 0.483354 node 1: receives Propose 0>1 #1
    notes promised ballot=1.0@0 synced=None log_end=0
    sends Promise 1>0 #1 to host0:80 life 2: ballot 1.0@0/2, synced none, history none, base 0, log end 0, commit 0, lineage []
at 0.542566 node 0: receives Promise 1>0 #1
at 0.618558 node 2: receives Propose 0>2 #1
    notes promised ballot=1.0@0 synced=None log_end=0
    sends Promise 2>0 #1 to host0:80 life 2: ballot 1.0@0/2, synced none, history none, base 0, log end 0, commit 0, lineage []
at 0.811773 node 0: receives Promise 2>0 #1
    notes started_empty ballot=1.0@0
    notes base_chosen ballot=1.0@0 source=0 end=0
    sends Adopt 0>1 #1 to host1:80 life 3: ballot 1.0@0/2, history 2, end 0, lineage [], dropped []
    sends Adopt 0>2 #1 to host2:80 life 1: ballot 1.0@0/2, history 2, end 0, lineage [], dropped []
at 1.261518 node 1: receives Adopt 0>1 #1
    sends Adopted 1>0 #1 to host0:80 life 2: ballot 1.0@0/2
at 1.472821 node 2: receives Adopt 0>2 #1
    sends Adopted 2>0 #1 to host0:80 life 2: ballot 1.0@0/2

# A reader at node 1: its question makes node 0 begin a round.
at 1.651553 node 1: get k0 (0)
at 1.72834 node 0: receives Adopted 1>0 #1
at 1.918905 node 0: receives Adopted 2>0 #1
    notes became_primary ballot=1.0@0 commit=0 backups=2
    sends Replicate 0>1 #1 to host1:80 life 3: ballot 1.0@0/2, first 0, operations [], commit 0, round 0
    sends Replicate 0>2 #1 to host2:80 life 1: ballot 1.0@0/2, first 0, operations [], commit 0, round 0
at 2.42329 node 2: receives Replicate 0>2 #1
    sends Replicated 2>0 #1 to host0:80 life 2: ballot 1.0@0/2, log end 0, round 0
    notes installed ballot=1.0@0 role=backup commit=0
at 2.859999 node 1: receives Replicate 0>1 #1
    sends Replicated 1>0 #1 to host0:80 life 2: ballot 1.0@0/2, log end 0, round 0
    notes installed ballot=1.0@0 role=backup commit=0
    sends Confirm 1>0 #1 to host0:80 life 2: ballot 1.0@0/2, ask 1
at 2.862155 node 0: receives Replicated 2>0 #1

# The next view is without node 0. Node 2 promises it.
at 3 node 1: told {1 2} epoch 2
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=2
    notes proposed ballot=2.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 2.0@1/3, members {1 2}, numbered yes
at 3.597244 node 2: receives Propose 1>2 #1
    notes view_learned epoch=2 members=1,2
    notes promised ballot=2.0@1 synced=1.0@0 log_end=0
    sends Promise 2>1 #1 to host1:80 life 3: ballot 2.0@1/3, synced 1.0@0/2, history 2, base 0, log end 0, commit 0, lineage [1.0@0/2 from 0]

# Node 0 has not heard of that and asks for a sign of life. An acknowledgement of node 2 would be counted, and
# node 0 would answer what the new view does not know.
at 3.637737 node 0: receives Confirm 1>0 #1
    sends Replicate 0>2 #2 to host2:80 life 1: ballot 1.0@0/2, first 0, operations [], commit 0, round 1
at 4.422749 node 2: receives Replicate 0>2 #2
    notes ignored reason=promised_higher message=Replicate sender=0
    sends Refuse 2>0 #2 to whoever asked life 2: ballot 1.0@0/2, reason promised_higher, addressee 2, promised 2.0@1/3
at 5 node 0: receives Refuse 2>0 #2
    notes suspected backup=2 reason="it has promised ballot 2.0@1"
at 5 node 0: status
    is installing as primary in {0 1 2} epoch 1; promised 1.0@0/2, log 0, commit 0, 0 keys, 0 waiting
    waits for 2 at host2:80: it has promised ballot 2.0@1, for 0 ms
