title: A member that was restarted at another address is answered there
rule: docs/protocol.md, "Promise"; out.py, "answer"
nodes: 1 2

at 0 node 1: starts as life 9
at 0 node 2: starts as life 5
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
    sends Refuse 2>1 #1 to host1:80 life 9: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/9, members {1 2}, numbered no
at 1 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 9: ballot 1.0@1/9, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 5: ballot 1.0@1/9, history 9, end 0, lineage [], dropped []
at 3 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 9: ballot 1.0@1/9
at 4 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 5: ballot 1.0@1/9, first 0, operations [], commit 0, round 0
at 5 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 9: ballot 1.0@1/9, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 6 node 1: receives Replicated 2>1 #1
at 7 node 1: put k = kept (1)
    sends Replicate 1>2 #2 to host2:80 life 5: ballot 1.0@1/9, first 0, operations [<put k = kept of 1/9#0>], commit 0, round 0
at 8 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 9: ballot 1.0@1/9, log end 1, round 0
at 9 node 1: receives Replicated 2>1 #2
    answers (1): created at 0

# Node 1 is restarted at another address, and both are told the view with that address.
at 20 node 1: crashes
at 0 node 1: starts as life 3
at 1 node 1: told {1=host1:81 2}
    accepts the view
    notes view_told members=1=host1:81,2=host2:80 epoch=unnumbered
    sends Seek 1>2 #2 to host2:80: members {1=host1:81 2}
at 21 node 2: told {1=host1:81 2}
    accepts the view
    notes view_told members=1=host1:81,2=host2:80 epoch=unnumbered
    sends Told 2>1 #2 to host1:81: members {1=host1:81 2}, epoch 0

# Whether node 2 serves a view, from which it could be filled, node 1 is told where it is now.
at 22 node 2: receives Seek 1>2 #2
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #2 to host1:81 life 3: ballot none, reason nothing_to_offer, addressee 2, promised 1.0@1/9
at 3 node 1: receives Refuse 2>1 #2
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #2 to host2:80: ballot 1.0@1/3, members {1=host1:81 2}, numbered no

# Node 1 has forgotten how high its ballots were: its proposal is too low. The refusal says how high to go; it must
# go to host1:81. At the address of the promised view, host1:80, there may be nobody, or somebody else.
at 24 node 2: receives Propose 1>2 #2
    notes ignored reason=promised_higher message=Propose sender=1
    sends Refuse 2>1 #3 to host1:81 life 3: ballot 1.0@1/3, reason promised_higher, addressee 2, promised 1.0@1/9
at 5 node 1: receives Refuse 2>1 #3
    notes proposed ballot=2.0@1 members=1,2
    sends Propose 1>2 #3 to host2:80: ballot 2.0@1/3, members {1=host1:81 2}, numbered no
at 26 node 2: receives Propose 1>2 #3
    notes promised ballot=2.0@1 synced=1.0@1 log_end=1
    sends Promise 2>1 #2 to host1:81 life 3: ballot 2.0@1/3, synced 1.0@1/9, history 9, base 0, log end 1, commit 0, lineage [1.0@1/9 from 0]
at 7 node 1: receives Promise 2>1 #2
    notes base_chosen ballot=2.0@1 source=2 end=1
    sends Fetch 1>2 #1 to host2:80 life 5: ballot 2.0@1/3, snapshot no, position 0, end 1
at 28 node 2: receives Fetch 1>2 #1
    notes state_sent to=1 what=log end=1
    sends LogChunk 2>1 #1 to host1:81 life 3: ballot 2.0@1/3, first 0, operations [<put k = kept of 1/9#0>]
at 9 node 1: receives LogChunk 2>1 #1
    notes state_received source=2 what=log end=1
    sends Adopt 1>2 #2 to host2:80 life 5: ballot 2.0@1/3, history 9, end 1, lineage [1.0@1/9 from 0], dropped []
at 30 node 2: receives Adopt 1>2 #2
    sends Adopted 2>1 #2 to host1:81 life 3: ballot 2.0@1/3
at 11 node 1: receives Adopted 2>1 #2
    notes became_primary ballot=2.0@1 commit=1 backups=1
    sends Replicate 1>2 #3 to host2:80 life 5: ballot 2.0@1/3, first 1, operations [], commit 1, round 0
at 32 node 2: receives Replicate 1>2 #3
    sends Replicated 2>1 #3 to host1:81 life 3: ballot 2.0@1/3, log end 1, round 0
    notes installed ballot=2.0@1 role=backup commit=1
at 13 node 1: receives Replicated 2>1 #3
at 14 node 1: status
    is active as primary in {1=host1:81 2}; promised 2.0@1/3, log 1, commit 1, 1 keys, 0 waiting
