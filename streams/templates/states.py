"""Words that tell how something stands: two texts that differ in one of them say different things.

None of them is ever taken for a value. A word that is not here is no value either, unless it looks
like a name (``masks.py``), so that this list only has to know what may stand where names do.
"""

_VERBS = """
abort accept accepted accrue acknowledge acquire activate add admit advance agree allow append
apply approve archive arm assert assign attach authenticate authorize authorise back ban begin
bind block boot break bring bump buy cache calibrate cancel cancelled canceled cap cease change
charge check clean clear close collect combine commit compile complete compress confirm connect
consent consume continue converge corrupt crash create credit cut deactivate deallocate debit
decide decline decode decommission decompress decrease decrement decrypt degrade delay delete
demote deny depart deploy deposit deprecate deregister destroy detach detect deteriorate disable
disagree disallow disapprove discard disconnect discover dislike dismiss dispatch displace diverge
downgrade downscale drain drop dump elect empty enable encode encrypt end enlarge enqueue enter
escalate evict exceed exclude exit expand expire export extend fail fall fetch fill finalize find
finish fix flush follow forbid forget free freeze fulfil gain get give go grant grow halt hang
hate help hide hire hold ignore impair import improve include increase increment inflate ingest
inhibit init initialise initialize insert install interrupt invalidate invoke join keep kill
launch lead leave lend lift like link listen load lock login logoff logon logout lose love lower
lapse map mark match merge mismatch miss mount move mute need obtain offload omit open overflow
own pack park pass patch pause pay permit persist pin ping poll pop post prefer preempt prevent
process produce promote provision prune publish pull purge push put quarantine quiesce quit raise
read rebalance reboot receive reclaim recommend reconnect recover refuse refund refute register
regress reject release relocate remember remove renew reopen repair repay replace replicate report
request require reserve reset resolve respond restart restore restrict resume retain retire retry
return revert revoke rise roll rollback run save scale schedule seal select sell send serve set
shed ship show shrink shut shutdown sign skip sleep slow spawn spill split start stall stay stop
store strand submit subscribe succeed suspend swap switch sync synchronize take terminate throttle
thaw timeout touch transfer trip trust turn unarchive unassign unban unbind unblock underflow undo
unfreeze uninstall unlink unload unlock unmap unmount unmute unpack unpause unpin unpublish
unregister unsubscribe update upgrade upload download upscale use validate verify void wake want
warm withdraw withhold write yield
"""
_OTHER = """
able above absent active adequate alive all always any asleep available awake awaiting away bad
before after below beneath better beyond blocked bound broken brought brown built busy bought calm
chosen clean cold come complete completion connection consistent correct critical cut dead debug
deadlock death deep dirty done down driven dry due eaten early either eligible elevated empty
enough error errors even every exception exclusive expected expiry external extinct failure
failures false fatal fast few fewer fewest fine first fit flaky forbidden forgotten forgot found
fresh fallen felt frozen full gave given gone good got granted greater green grey hard healthy
held high higher highest hot idle illegal immutable impossible in inactive inadequate inbound
incomplete incompatible compatible inconsistent incorrect ineligible infected initial inside
insecure insufficient intact intermittent internal invalid invisible kept known lack last late
later latest least leaving leave led left legal less lesser let live local long loss lost loud low
lower lowest made many master max maximum member min minimum minor major missing mission more most
mutable nack ack near negative never new no nobody non none nonempty normal not nothing now null
offline off ok okay old on once online only optional out outbound outside over overdue overloaded
paid partial passive peace pending permanent permitted positive possible present primary private
probably public quiet rare ran read readonly ready red yellow orange refusal reliable remote
revoked rich right risen risky rose running safe same secondary secure sent shared shipped short
shorter shortest shown shrunk shut shy sick silent slave slow slower slowest small soft sold some
soon sound stable stale standby started still stopped strict strong success successful sufficient
suspicious tainted taken temporary terminal thawed thin tight told took top transient trial true
trusted unable unallocated unauthorized unavailable unaware unbound unchanged unclean uncommitted
unconfirmed under underway uneven unexpected unfinished unfit unhealthy unidentified uninfected
unique unknown unlimited limited unlocked unmatched unnecessary necessary unpaid unpermitted
unreachable reachable unreadable unready unreliable unresolved unresponsive responsive unsafe
unsatisfied satisfied unschedulable schedulable unset unsigned signed unstable unsuccessful
untrusted unused unusual usual unverified unwanted unwell up upcoming urgent used vacant valid
victim vip visible void warm warn warning weak well went wet whole within without woke won worse
worst wrong yes zero input output src dst rx tx upstream downstream ingress egress client server
east west north south horizontal vertical day night morning evening hello goodbye heavy light dark
bright
acceptance admission approval arrival clearance denial departure dismissal disposal removal renewal
retrieval reversal revocation stoppage survival withdrawal
get head post put patch delete options trace connect
"""
_IRREGULAR = """
began begun bound broke broken bought brought built chose chosen cut drove driven fell fallen
found froze frozen forgave forgot forgotten gave given grew grown held hidden hid hung kept led
left lent lost met overran overridden overrode paid quit ran read resent rose risen said sat sent
shown shrank shrunk shut slept sold split spun stood stuck swapped swept took taken threw thrown
told thought undone undid went withdrew withdrawn withheld woke won wrote written
"""


def forms(verb: str) -> list[str]:
    """How a regular verb is written: as it is, with s, ed, ing and ion."""
    stem = verb[:-1] if verb.endswith("e") else verb
    third = (
        verb[:-1] + "ies" if verb.endswith("y") else verb + ("es" if verb[-1] in "shxz" else "s")
    )
    past = verb[:-1] + "ied" if verb.endswith("y") else stem + "ed"
    doubled = [verb + verb[-1] + "ed", verb + verb[-1] + "ing"]
    return [verb, third, past, stem + "ing", verb + "ing", stem + "ion", *doubled]


STATES = frozenset(
    [form for verb in _VERBS.split() for form in forms(verb)] + _OTHER.split() + _IRREGULAR.split()
)
