title: A write whose origin was forgotten, and came back, is not applied twice
rule: docs/protocol.md, "Exactly once"; found by checking, 5
nodes: 1 2
config: log_keep_bytes=0
limits: origins=1 names=65536 ballots=256

at 0 node 1: starts as life 1
at 0 node 2: starts as life 2
at 0 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Seek 1>2 #1 to host2:80: members {1 2}
at 0 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Told 2>1 #1 to host1:80: members {1 2}, epoch 0
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/1, members {1 2}, numbered no
at 1 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
at 3 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 1: ballot 1.0@1/1
at 4 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 0
at 5 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 6 node 1: receives Replicated 2>1 #1

# A write at node 2 is committed, but the answer (Forwarded 1>2 #1) does not arrive.
at 10 node 2: put k = first (1)
    sends Forward 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, since 0, patience 10000 ms, operation <put k = first of 2/2#0>
at 11 node 1: receives Forward 2>1 #1
    sends Replicate 1>2 #2 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [<put k = first of 2/2#0>], commit 0, round 0
at 12 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 1: ballot 1.0@1/1, log end 1, round 0
at 13 node 1: receives Replicated 2>1 #2
    sends Forwarded 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, verdicts [#0 created 0]

# Node 1 serves alone and takes a write. Only one origin is remembered here, so node 2's writes are forgotten.
at 20 node 1: told {1}
    accepts the view
    notes view_told members=1=host1:80 epoch=unnumbered
    notes proposed ballot=2.0@1 members=1
    notes base_chosen ballot=2.0@1 source=1 end=1
    notes became_primary ballot=2.0@1 commit=1 backups=0
at 21 node 1: put k = second (2)
    answers (2): updated at 1

# Both serve again. Node 2 gets a copy: so it does not see its own write being applied, and asks again.
at 30 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    notes filling learners=2
    sends Offer 1>2 #1 to host2:80: ballot 2.0@1/1, history 1, end 2, kept 2, near 2, lineage [1.0@1/1 from 0, 2.0@1/1 from 1]
at 30 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Confirm 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, ask 1
at 31 node 2: receives Offer 1>2 #1
    sends Fetch 2>1 #1 to host1:80 life 1: ballot 2.0@1/1, snapshot yes, position 0, end 2
at 32 node 1: receives Confirm 2>1 #1
    notes ignored reason=promised_higher message=Confirm sender=2
    sends Refuse 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, reason promised_higher, addressee 1, promised 2.0@1/1
at 33 node 1: receives Fetch 2>1 #1
    notes state_sent to=2 what=copy end=2
    sends SnapshotChunk 1>2 #1 to host2:80 life 2: ballot 2.0@1/1, applied 2, evicted 1, offset 0, total 2, pairs [k = second], origins [1/1: 1 results, settled 0, from 1 to 1], keys []
at 34 node 2: receives Refuse 1>2 #1
    notes ignored reason=other_ballot message=Refuse sender=1
at 35 node 2: receives SnapshotChunk 1>2 #1
    notes state_received source=1 what=copy end=2
    sends Learned 2>1 #1 to host1:80 life 1: ballot 2.0@1/1, end 2, final no
at 36 node 1: receives Learned 2>1 #1
    notes filled reason="all learners are close"
    notes proposed ballot=3.0@1 members=1,2
    sends Propose 1>2 #2 to host2:80: ballot 3.0@1/1, members {1 2}, numbered no
at 37 node 2: receives Propose 1>2 #2
    notes promised ballot=3.0@1 synced=1.0@1 log_end=1
    sends Promise 2>1 #2 to host1:80 life 1: ballot 3.0@1/1, synced 1.0@1/1, history 1, base 0, log end 1, commit 0, lineage [1.0@1/1 from 0]
at 38 node 1: receives Promise 2>1 #2
    notes base_chosen ballot=3.0@1 source=1 end=2
    sends Adopt 1>2 #2 to host2:80 life 2: ballot 3.0@1/1, history 1, end 2, lineage [1.0@1/1 from 0, 2.0@1/1 from 1], dropped []
at 39 node 2: receives Adopt 1>2 #2
    sends Adopted 2>1 #2 to host1:80 life 1: ballot 3.0@1/1
at 40 node 1: receives Adopted 2>1 #2
    notes became_primary ballot=3.0@1 commit=2 backups=1
    sends Replicate 1>2 #3 to host2:80 life 2: ballot 3.0@1/1, first 2, operations [], commit 2, round 0
at 41 node 2: receives Replicate 1>2 #3
    sends Replicated 2>1 #3 to host1:80 life 1: ballot 3.0@1/1, log end 2, round 0
    notes installed ballot=3.0@1 role=backup commit=2
    sends Forward 2>1 #2 to host1:80 life 1: ballot 3.0@1/1, since 0, patience 9969 ms, operation <put k = first of 2/2#0>
at 42 node 1: receives Replicated 2>1 #3

# A later write of node 2 overtakes. It makes a new record of node 2, which knows nothing of the first write.
at 45 node 2: put other = x (3)
    sends Forward 2>1 #3 to host1:80 life 1: ballot 3.0@1/1, since 2, patience 10000 ms, operation <put other = x of 2/2#1>
at 46 node 1: receives Forward 2>1 #3
    sends Replicate 1>2 #4 to host2:80 life 2: ballot 3.0@1/1, first 2, operations [<put other = x of 2/2#1>], commit 2, round 0
at 47 node 2: receives Replicate 1>2 #4
    sends Replicated 2>1 #4 to host1:80 life 1: ballot 3.0@1/1, log end 3, round 0
at 48 node 1: receives Replicated 2>1 #4
    sends Forwarded 1>2 #2 to host2:80 life 2: ballot 3.0@1/1, verdicts [#1 created 2]

# The first write is asked again. The record says from where on it is complete: nobody knows what became of the
# write, so it is not applied, and the old value does not come back.
at 49 node 1: receives Forward 2>1 #2
    sends Forwarded 1>2 #3 to host2:80 life 2: ballot 3.0@1/1, verdicts [#0 unknown 0]
at 50 node 2: receives Forwarded 1>2 #3
    rejects (1): timeout, unknown: the request came back after so long that its answer may have been forgotten
    notes rejected reason=timeout certain=0 waited_for="the request came back after so long that its answer may have been forgotten"
at 51 node 1: get k (4)
    sends Replicate 1>2 #5 to host2:80 life 2: ballot 3.0@1/1, first 3, operations [], commit 3, round 1
at 52 node 2: receives Replicate 1>2 #5
    answers (3): created at 2
    sends Replicated 2>1 #5 to host1:80 life 1: ballot 3.0@1/1, log end 3, round 1
at 53 node 1: receives Replicated 2>1 #5
    answers (4): second after 3
