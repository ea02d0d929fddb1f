# For work that has its hours: a backup at night, a deployment on weekdays. The entries that are listed get
# credentials only within their windows, and none that is good beyond the end of the window.
#
# The keys of this folder's data.json go into the policy's one data.json, beside those that are there.
# Days and hours are UTC, and are of the input's time alone: the same request gives the same answer when it
# is looked at again tomorrow. Hours are numbers from 0 to 24; 22.5 is half past ten. Where "to" is not
# after "from" the window ends on the next day; "days" are those on which it begins.
package lodekey.issuance

import rego.v1

deny contains {
	"code": "outside-time-window",
	"subject": sprintf("entry %v", [object.get(input, ["entry", "id"], "?")]),
	"expected": "a time within the windows of issuance.time_windows in data.json (UTC)",
	"seen": object.get(input, ["time", "rfc3339"], "unknown"),
	"text": "the entry is not given out at this time",
	"accept": "Wait for the window to open, or change issuance.time_windows in the policy's data.json.",
} if {
	not time_unlimited
	not max(seconds_left) > 0
}

# The credential ends with the window; where several are open, with the last of them.
ttl_at_most contains max(seconds_left) if not time_unlimited

time_unlimited if {
	is_string(input.entry.spiffe_id)
	is_object(data.issuance.time_windows)
	not data.issuance.time_windows[input.entry.spiffe_id]
}

second_of_day := input.time.unix % 86400

# From the window's beginning on the day on which it begins (0 or less: it is over) …
seconds_left contains left if {
	some window in data.issuance.time_windows[input.entry.spiffe_id]
	input.time.weekday in window.days
	second_of_day >= window.from * 3600
	left := end_of(window) - second_of_day
}

# … and after midnight.
seconds_left contains left if {
	some window in data.issuance.time_windows[input.entry.spiffe_id]
	day_before[input.time.weekday] in window.days
	left := (end_of(window) - 86400) - second_of_day
}

# In seconds from the beginning of the day on which it begins.
end_of(window) := floor(window.to * 3600) if window.to > window.from

end_of(window) := floor((window.to + 24) * 3600) if window.to <= window.from

day_before := {
	"monday": "sunday",
	"tuesday": "monday",
	"wednesday": "tuesday",
	"thursday": "wednesday",
	"friday": "thursday",
	"saturday": "friday",
	"sunday": "saturday",
}
