package config

import "time"

func remoteWriteSettings() []Setting {
	return append([]Setting{
		{
			Key: "remote_write.enabled", Kind: KindBool, Default: false, Example: "true",
			Help: "Push all metrics, the exporter's own included, to an endpoint for Prometheus' remote write. " +
				"Scrapes work as well.",
		},
		{
			Key: "remote_write.url", Kind: KindString, Default: "", Example: "https://mimir.example.com/api/v1/push",
			Help: "Where to push to.",
		},
		{
			Key: "remote_write.url_file", Kind: KindPath, Default: "", Example: "receiver_url",
			Help: "File with the URL, in place of `remote_write.url`, if the URL holds a password or another secret; " +
				"read for every request.",
		},
		{
			Key: "remote_write.protocol", Kind: KindEnum, Default: "auto",
			Values: []string{"auto", "1.0", "2.0"}, Example: "2.0",
			Help: "`2.0` sends type, help and start time with every series, and the receiver says how much it has stored. " +
				"`1.0` is understood everywhere. `auto` is `2.0`, or `1.0` if the receiver does not take that.",
		},
		{
			Key: "remote_write.interval", Kind: KindDuration, Default: 15 * time.Second, Example: "30s",
			Help: "How often to push every series.",
		},
		{
			Key: "remote_write.timeout", Kind: KindDuration, Default: 30 * time.Second, Example: "10s",
			Help: "Most time for one request.",
		},
		{
			Key: "remote_write.max_samples_per_send", Kind: KindInt, Default: 2000, Example: "2000",
			Help: "Most samples in a request. A histogram is never split, so that one with more buckets makes a " +
				"larger request.",
		},
		{
			Key: "remote_write.queue_max_bytes", Kind: KindInt, Default: 64 << 20, Example: "67108864",
			Help: "Most memory for batches that wait, compressed (20 to 30 bytes a sample). When it is full the " +
				"oldest ones are dropped, and counted.",
		},
		{
			Key: "remote_write.shards", Kind: KindInt, Default: 4, Example: "8",
			Help: "Most requests at a time, 1 to 100. The samples of a series arrive in order nevertheless.",
		},
		{
			Key: "remote_write.min_backoff", Kind: KindDuration, Default: 30 * time.Millisecond, Example: "30ms",
			Help: "Pause before a request is sent again after an error of the network or of the server. It " +
				"doubles each time.",
		},
		{
			Key: "remote_write.max_backoff", Kind: KindDuration, Default: 5 * time.Second, Example: "5s",
			Help: "Longest such pause, unless the receiver asks for a longer one by Retry-After.",
		},
		{
			Key: "remote_write.retry_on_rate_limit", Kind: KindBool, Default: true, Example: "false",
			Help: "Send again what the receiver refused because of its rate limit (status 429). Other requests " +
				"that it refuses are never sent again.",
		},
		{
			Key: "remote_write.name_escaping", Kind: KindEnum, Default: "underscores",
			Values: []string{"underscores", "allow-utf-8"}, Example: "allow-utf-8",
			Help: "What to do with names that only newer receivers take, as `metrics.naming: verbatim` makes " +
				"them: replace characters by underscores, or push them as they are.",
		},
		{
			Key: "remote_write.send_exemplars", Kind: KindBool, Default: false, Example: "true",
			Help: "Push the exemplars of HTTP histograms, which name the trace of a request. Receivers that store " +
				"none ignore them.",
		},
		{
			Key: "remote_write.send_native_histograms", Kind: KindBool, Default: false, Example: "true",
			Help: "Push histograms that `metrics.http.native` makes as native histograms. Not all receivers store " +
				"them.",
		},
		{
			Key: "remote_write.send_classic_histograms", Kind: KindBool, Default: true, Example: "false",
			Help: "Push histograms in their classic buckets, too, where they are pushed as native ones. What is " +
				"no native histogram is always pushed in its buckets.",
		},
		{
			Key: "remote_write.external_labels", Kind: KindNameVals, Default: []any{},
			Example: "[{name: cluster, value: eu}]",
			Help: "Labels for every series. `job` is `loggregator_exporter`, and `instance` is " +
				"`nozzle.deterministic_name` or else the host's name, unless they stand here. A label of a series " +
				"that has the same name becomes `exported_<name>`, as in a scrape.",
		},
		{
			Key: "remote_write.headers", Kind: KindSecretVals, Default: []any{},
			Example: "[{name: X-Scope-OrgID, value: cf}]",
			Help: "Headers for every request. If the value is a secret, `value_file` names a file that holds it, read for " +
				"every request.",
		},
	}, remoteWriteSecuritySettings()...)
}

func remoteWriteSecuritySettings() []Setting {
	return []Setting{
		{
			Key: "remote_write.tls.ca_file", Kind: KindPath, Default: "", Example: "ca.crt",
			Help: "CA certificate (PEM) that signed the receiver's. Empty: those of the system. Files are read " +
				"again when they change.",
		},
		{
			Key: "remote_write.tls.cert_file", Kind: KindPath, Default: "", Example: "client.crt",
			Help: "Client certificate (PEM) to show to the receiver.",
		},
		{
			Key: "remote_write.tls.key_file", Kind: KindPath, Default: "", Example: "client.key",
			Help: "Key (PEM) of the client certificate.",
		},
		{
			Key: "remote_write.tls.server_name", Kind: KindString, Default: "", Example: "mimir.example.com",
			Help: "Name that the receiver's certificate must hold. Empty: that of the URL.",
		},
		{
			Key: "remote_write.tls.skip_verify", Kind: KindBool, Default: false, Example: "true",
			Help: "Trust any certificate.",
		},
		{
			Key: "remote_write.basic_auth.username", Kind: KindString, Default: "", Example: "exporter",
			Help: "User for basic authentication.",
		},
		{
			Key: "remote_write.basic_auth.password_file", Kind: KindPath, Default: "", Example: "password",
			Help: "File with the password, read for every request.",
		},
		{
			Key: "remote_write.bearer_token_file", Kind: KindPath, Default: "", Example: "token",
			Help: "File with a bearer token, read for every request.",
		},
		{
			Key: "remote_write.oauth2.token_url", Kind: KindString, Default: "",
			Example: "https://uaa.example.com/oauth/token",
			Help:    "Where to fetch OAuth 2 tokens by client credentials.",
		},
		{
			Key: "remote_write.oauth2.client_id", Kind: KindString, Default: "", Example: "exporter",
			Help: "OAuth 2 client.",
		},
		{
			Key: "remote_write.oauth2.client_secret_file", Kind: KindPath, Default: "", Example: "secret",
			Help: "File with the client's secret.",
		},
		{
			Key: "remote_write.oauth2.scopes", Kind: KindStrings, Default: []string{}, Example: "metrics:write",
			Help: "Scopes to ask for.",
		},
		{
			Key: "remote_write.oauth2.endpoint_params", Kind: KindSecretVals, Default: []any{},
			Example: "[{name: audience, value: metrics}]",
			Help:    "More parameters of the request for a token, each with `value` or `value_file`.",
		},
		{
			Key: "remote_write.oauth2.ca_file", Kind: KindPath, Default: "", Example: "ca.crt",
			Help: "CA certificate (PEM) that signed the token server's. Empty: those of the system.",
		},
	}
}
