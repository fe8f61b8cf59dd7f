package config

// RLP is the source rlp.
type RLP struct {
	Enabled    bool   `mapstructure:"enabled"`
	Address    string `mapstructure:"address"`
	ServerName string `mapstructure:"server_name"`
	TLS        TLS    `mapstructure:"tls"`
}

// TLS names the files of a mutual TLS connection.
type TLS struct {
	CAFile   string `mapstructure:"ca_file"`
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// UDP is the source udp.
type UDP struct {
	Enabled            bool   `mapstructure:"enabled"`
	ListenAddress      string `mapstructure:"listen_address"`
	ReceiveBufferBytes int    `mapstructure:"receive_buffer_bytes"`
}
