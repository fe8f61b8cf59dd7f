// Package documents finds the queries in Grafana dashboards and Prometheus rule files, and where labels of their
// results are named, as in legends. All of these can be edited in place; the rest of a document stays byte for byte as
// it was. The package does not know what a query means.
package documents

// MaxBytes is the size of the largest document that is read. Grafana itself stores no dashboard of that size.
const MaxBytes = 16 << 20

// Format is what a document is.
type Format string

// The formats of documents.
const (
	Dashboard   Format = "dashboard"    // of Grafana, with panels or rows
	DashboardV2 Format = "dashboard v2" // of Grafana, with elements: apiVersion dashboard.grafana.app/v2...
	Rules       Format = "rules"        // of Prometheus, or a PrometheusRule of Kubernetes
)

// Document is a dashboard or a rule file, or several in one file.
type Document struct {
	File    string
	Format  Format
	Queries []*Query // in the order of the walk: variables, annotations, links and panels of a dashboard
	Panels  []*Panel
	Labels  []*Text // names of labels that hold for all queries, as those of ad hoc filters
	Notes   []Note  // what holds queries that cannot be read here, as panels of a library

	source
}

// Note tells what a person has to look at.
type Note struct {
	Place
	Text string
}

// Place is where something stands in a document.
type Place struct {
	Line  int    // from 1
	Path  string // spec.groups[0].rules[2].expr
	Where string // for people: panel "Requests" (id 4), query A
}

// Kind is what a query is used for, which also says in which language it is.
type Kind string

// The kinds of queries.
const (
	Expr        Kind = "expr"         // of a panel
	Annotation  Kind = "annotation"   // of a dashboard
	LabelValues Kind = "label_values" // of a variable, label_values(Expr, label): a selector
	QueryResult Kind = "query_result" // of a variable, query_result(Expr)
	Metrics     Kind = "metrics"      // of a variable, metrics(Expr): a regular expression for metric names, not PromQL
	Series      Kind = "series"       // of a variable, a selector by itself
	Link        Kind = "link"         // in a URL
	Hint        Kind = "hint"         // the field "metric" of old dashboards: the editor shows it, nothing is asked
	Alert       Kind = "alert"        // of an alerting rule
	Record      Kind = "record"       // of a recording rule
	Template    Kind = "template"     // query "..." in a template of a rule
)

// Query is one query for Prometheus, as its author wrote it, with Grafana's variables in it.
type Query struct {
	Place
	Kind Kind
	// Datasource is the type of Grafana's data source, such as prometheus. It is empty where the document does not tell:
	// the query is then possibly of another language, such as Loki's.
	Datasource string
	Name       string   // of the panel's query (A), the variable, the annotation or the rule
	Panel      *Panel   // nil outside of panels
	Expr       *Text    // the query
	Labels     []*Text  // names of labels of the result: in legends, in label_values(metric, label), in templates of rules
	Sets       []string // names of labels that a recording rule sets itself
	// Regex picks the values of a variable from what the query gives; nil where there is none. It is applied to label
	// values, to names of metrics, or to whole series: name{label="value"} 1 1700000000000.
	Regex *Text
	// Whole is the text of a variable with what is around Expr, such as label_values(metric, label); nil for other
	// kinds. Setting it makes edits of Expr and Labels void.
	Whole *Text
}

// Panel is what the queries of a panel have in common.
type Panel struct {
	Place
	Title   string
	Queries []*Query
	// Fields are names of series or fields, in overrides and transformations, which may be names of labels, or contain
	// them: only the consumer knows which labels the queries have.
	Fields []*Text
}
