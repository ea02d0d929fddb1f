# Whether a workload gets a credential, and for how long.
#
# The issuer asks this once for each X.509-SVID and each JWT-SVID. What `input` holds is in
# docs/policy.md. Begin at "decision": it is the answer, and everything else leads to it.
#
# How to read it: a rule holds where every line of its body holds, and a line that looks at a field
# which is not there does not hold. "allowed" is therefore a list of what has to be true: what is missing
# can only deny. The rules "why contains …" further down decide nothing. They are asked after a denial,
# and tell the person who reads it what was expected, what was seen and what would make it acceptable.
#
# To add rules of your own, leave this file as it is, and put one beside it that begins with the same
# `package` line. It may say any of these, as often as it likes:
#
#   deny contains {"code": "…", "text": "…"} if { … }   no credential, for this reason
#   evidence_within contains 60 if { … }                the host must have proved itself in the last 60 s
#   ttl_at_most contains 300 if { … }                   no credential for longer than 300 s
#   scopes contains "read" if { … }                     this scope may be asked for
#
# examples/policy has complete ones, with tests.
package lodekey.issuance

import rego.v1

decision := {
	"allow": true,
	"rule": "lodekey.issuance.allowed",
	"ttl": min(ttl_at_most),
	"obligations": obligations,
} if {
	allowed
}

decision := {
	"allow": false,
	"rule": "lodekey.issuance.deny",
	"reasons": array.slice(reasons, 0, 32),
} if {
	not allowed
}

allowed if {
	# The host is in good standing.
	input.node.standing == "active"

	# The entry has not ended, and the process that asks is the one it is for.
	entry_goes_on
	process_matches

	# What an agent sees of a process is observed, and no more. Who reports selectors as anything better
	# is not the agent that was installed.
	not input.facts.proved.selectors
	not input.facts.kernel_measured.selectors
	not input.facts.recorded.selectors
	not input.facts.declared.selectors

	# Nobody gets a token for an audience that the entry does not allow, nor with a scope that no rule
	# gives. What a task is called is for the records alone: any text will do.
	audiences_allowed
	count({scope | some scope in input.request.scope} - scopes) == 0
	is_array(input.request.scope)

	# There is time left, limits are numbers (a text would be larger than any), and no rule objects.
	min(ttl_at_most) > 0
	count(limits_of_no_use) == 0
	count(deny) == 0
}

# An entry with an end is not used in its last second: that is what certificates and tokens count in.

entry_goes_on if input.entry.expires == 0

entry_goes_on if input.entry.expires > input.time.unix + 1

# The process has every selector of the entry. An entry that says so is also given ahead of that, while
# no process asks: then there are no selectors to compare.

process_matches if {
	count(input.entry.selectors) > 0
	count(missing) == 0
}

process_matches if {
	input.facts.observed.selectors == []
	input.entry.prefetch == true
}

missing := {selector | some selector in input.entry.selectors} - held

held := {selector | some selector in input.facts.observed.selectors}

# A JWT-SVID is for audiences, each of which the entry names, unless it allows any ("*"). An X.509-SVID has
# none.

audiences_allowed if input.request.kind == "x509"

audiences_allowed if {
	input.request.kind == "jwt"
	count(input.request.audience) > 0
	count(audiences_refused) == 0
}

audiences_refused contains audience if {
	some audience in input.request.audience
	not audience in input.entry.jwt_audiences
	not "*" in input.entry.jwt_audiences
}

# Scopes that may be asked for: none but those of data.json, unless a rule of yours says so.

scopes contains scope if some scope in data.issuance.scopes

# How long the credential may be good: the shortest limit counts. Whatever is said here, the issuer never
# goes beyond the host's own identity.

ttl_at_most contains input.entry.x509_ttl if input.request.kind == "x509"

ttl_at_most contains input.entry.jwt_ttl if input.request.kind == "jwt"

ttl_at_most contains input.request.ttl if input.request.ttl > 0

ttl_at_most contains input.entry.expires - input.time.unix if input.entry.expires > 0

# How young the host's evidence must be, in seconds. The shortest limit counts. It is an obligation only
# while it is not met: the host then shows new evidence, and the question is put again.

evidence_within contains data.issuance.evidence_within

obligations contains {"kind": "evidence", "within": within} if {
	within := min(evidence_within)
	not input.node.evidence_age <= within
}

limits_of_no_use := {limit | some limit in ttl_at_most | evidence_within; not is_number(limit)}

# Why not.

# What other rules object, and what this file has to say. There is always something, also where what is
# missing is what a reason would have been made of.
reasons := found if {
	found := [reason | some reason in deny | why]
	count(found) > 0
}

reasons := [{
	"code": "input-incomplete",
	"subject": "input of the decision",
	"text": "the policy was not told what it needs to decide",
	"accept": "Issuer and policy may be of different versions. On the issuer: lodekey policy show",
	"message_only": true,
}] if {
	count(deny | why) == 0
}

# Evidence from the future makes a lie of every rule about its age.
deny contains {
	"code": "time-went-back",
	"subject": sprintf("node %v", [node_id]),
	"expected": "evidence from before now",
	"seen": sprintf("evidence that is %v s old", [object.get(input, ["node", "evidence_age"], "?")]),
	"text": "the host's evidence is younger than now: the issuer's clock went back",
	"accept": "Check the clock of the issuer's host. It mends itself once the time of the evidence has come again.",
	"message_only": true,
} if {
	not input.node.evidence_age >= 0
}

why contains {
	"code": object.get(
		{
			"refused": "node-refused",
			"removed": "node-removed",
			"quarantined": "node-quarantined",
			"pending": "approval-pending",
			"barred": "node-barred",
		},
		standing,
		"node-not-enrolled",
	),
	"subject": sprintf("node %v", [node_id]),
	"expected": "active",
	"seen": standing,
	"text": "the host is not in good standing: nothing on it gets a credential",
	"accept": sprintf("On the issuer: lodekey explain --node %v", [node_id]),
} if {
	standing := object.get(input, ["node", "standing"], "unknown")
	standing != "active"
}

why contains {
	"code": "entry-expired",
	"subject": sprintf("entry %v", [entry_id]),
	"expected": "an entry that goes on",
	"seen": sprintf("one that ended at %v (Unix time)", [object.get(input, ["entry", "expires"], "?")]),
	"text": "the entry has ended",
	"accept": sprintf("If it is to go on, give it another end. On the issuer: lodekey entry show %v", [entry_id]),
} if {
	not entry_goes_on
}

why contains {
	"code": "selectors-missing",
	"subject": sprintf("entry %v", [entry_id]),
	"expected": listed(object.get(input, ["entry", "selectors"], [])),
	"seen": listed(held),
	"text": sprintf("the process lacks %v", [listed(missing)]),
	"accept": "On the host: lodekey explain --pid PID",
} if {
	not process_matches
	count(held) > 0
}

why contains {
	"code": "not-prefetched",
	"subject": sprintf("entry %v", [entry_id]),
	"expected": "a process that asks",
	"seen": "none",
	"text": "no process asks, and the entry is not one to be fetched ahead of that",
	"accept": "Let the process ask, or update the entry with --prefetch.",
} if {
	not process_matches
	count(held) == 0
	not overgraded
}

# What is reported with too high a grade is not "no process".
overgraded if {
	some grade in ["proved", "kernel_measured", "recorded", "declared"]
	input.facts[grade].selectors
}

why contains {
	"code": "selector-grade",
	"subject": listed(input.facts[grade].selectors),
	"expected": "observed",
	"seen": grade,
	"text": sprintf("%v: reported as '%v', and what an agent sees is observed, and no more", [
		listed(input.facts[grade].selectors),
		grade,
	]),
	"accept": "Run the agent as it was installed on this host.",
} if {
	some grade in ["proved", "kernel_measured", "recorded", "declared"]
	input.facts[grade].selectors
}

why contains {
	"code": "kind-unknown",
	"subject": "kind of credential",
	"expected": "x509 or jwt",
	"seen": sprintf("%v", [kind]),
	"text": "there is no rule for this kind of credential",
	"accept": "Bring the issuer and its policy to the same version. On the issuer: lodekey policy show",
} if {
	kind := object.get(input, ["request", "kind"], "none")
	not kind in {"x509", "jwt"}
}

why contains {
	"code": "audience-not-allowed",
	"subject": sprintf("entry %v", [entry_id]),
	"expected": listed(object.get(input, ["entry", "jwt_audiences"], [])),
	"seen": listed(object.get(input, ["request", "audience"], [])),
	"text": sprintf("the entry allows no JWT-SVID for the audience '%v'", [listed(audiences_refused)]),
	"accept": sprintf(
		"If it may have one, update the entry with --jwt-audience. On the issuer: lodekey entry show %v",
		[entry_id],
	),
} if {
	input.request.kind == "jwt"
	not audiences_allowed
}

why contains {
	"code": "scope-not-allowed",
	"subject": sprintf("entry %v", [entry_id]),
	"expected": listed(scopes),
	"seen": listed(asked),
	"text": "the policy gives this workload no such scope",
	"accept": "Ask without it, or give it in the policy: issuance.scopes in data.json, or: scopes contains \"…\" if { … }",
} if {
	asked := object.get(input, ["request", "scope"], ["?"])
	count({scope | some scope in asked} - scopes) > 0
}

why contains {
	"code": "limit-not-a-number",
	"subject": "ttl_at_most and evidence_within",
	"expected": "numbers of seconds",
	"seen": listed(shown),
	"text": "a rule of the policy gives a limit that is not a number",
	"accept": "Correct the rule. On the issuer: lodekey policy show",
} if {
	count(limits_of_no_use) > 0
	shown := [sprintf("%v", [limit]) | some limit in limits_of_no_use]
}

node_id := object.get(input, ["node", "id"], "?")

entry_id := object.get(input, ["entry", "id"], "?")

# A reason is for a person, and bounded: 1,024 bytes of each text, and of a list the first few.

listed(texts) := "none" if count(texts) == 0

listed(texts) := clipped(concat(", ", texts)) if {
	count(texts) > 0
	count(texts) <= 3
}

listed(texts) := clipped(sprintf("%v and %v more", [concat(", ", array.slice(all, 0, 3)), count(all) - 3])) if {
	all := [text | some text in texts]
	count(all) > 3
}

clipped(text) := text if count(hex.encode(text)) <= 2048

clipped(text) := sprintf("%v …", [substring(text, 0, 250)]) if count(hex.encode(text)) > 2048
