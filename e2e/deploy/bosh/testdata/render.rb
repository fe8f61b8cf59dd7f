# Renders the templates of one job as a BOSH director does. Reads from standard input
#   {"job": folder, "properties": {...}, "links": {name: {"address", "properties", "instances"}}, "instance": {...}}
# and prints {"files": {destination: text}, "used": [properties that a template asked for]}, or a message and exit status 1.
# It is stricter than a director: a property that the job does not declare is a mistake, in the manifest as in a template.

require "erb"
require "json"
require "ostruct"
require "yaml"

class Mistake < StandardError; end

MISSING = Object.new.freeze

def look_up(tree, name)
  name.split(".").reduce(tree) do |node, key|
    return nil unless node.is_a?(Hash)

    node[key]
  end
end

def put(tree, name, value)
  *sections, last = name.split(".")
  sections.reduce(tree) { |node, key| node[key] ||= {} }[last] = value
end

def structure(value)
  case value
  when Hash then OpenStruct.new(value.transform_values { |v| structure(v) })
  when Array then value.map { |v| structure(v) }
  else value
  end
end

# What both a job and a link can be asked.
module Asked
  def p(names, default = MISSING)
    names = Array(names)
    names.each do |name|
      value = ask(name)
      return value unless value.nil?
    end
    raise Mistake, "Can't find property '#{names.join("', or '")}'" if default.equal?(MISSING)

    default
  end

  def if_p(*names)
    values = names.map { |name| ask(name) }
    return Otherwise.new(self, true) if values.any?(&:nil?)

    yield(*values)
    Otherwise.new(self, false)
  end
end

# What follows if_p and if_link.
class Otherwise
  def initialize(context, active)
    @context = context
    @active = active
  end

  def else
    yield if @active
  end

  def else_if_p(*names, &block)
    @active ? @context.if_p(*names, &block) : self
  end

  def else_if_link(name, &block)
    @active ? @context.if_link(name, &block) : self
  end
end

class Link
  include Asked
  attr_reader :address, :instances, :properties

  def initialize(name, values)
    @name = name
    @address = values["address"]
    @instances = structure(values["instances"] || [])
    @properties = values["properties"] || {}
  end

  def ask(name)
    look_up(@properties, name)
  end
end

class Job
  include Asked
  attr_reader :spec, :raw_properties, :properties, :name, :index, :used

  def initialize(declared, given)
    @declared = declared["properties"] || {}
    @consumed = (declared["consumes"] || []).to_h { |c| [c["name"], c] }
    refuse_unknown(given["properties"] || {})
    @raw_properties = {}
    @declared.each do |name, property|
      value = look_up(given["properties"] || {}, name)
      value = property["default"] if value.nil?
      put(@raw_properties, name, value) unless value.nil?
    end
    @properties = structure(@raw_properties)
    @spec = structure(given["instance"])
    @name = given["instance"]["job"] && given["instance"]["job"]["name"]
    @index = given["instance"]["index"]
    @links = given["links"] || {}
    @links.each_key { |link| raise Mistake, "link #{link} is not consumed" unless @consumed.key?(link) }
    @used = []
  end

  def ask(name)
    raise Mistake, "property #{name} is not declared in the spec" unless @declared.key?(name)

    @used |= [name]
    look_up(@raw_properties, name)
  end

  def if_link(name)
    raise Mistake, "link #{name} is not consumed" unless @consumed.key?(name)
    return Otherwise.new(self, true) unless @links.key?(name)

    yield Link.new(name, @links[name])
    Otherwise.new(self, false)
  end

  def link(name)
    raise Mistake, "Can't find link '#{name}'" unless @links.key?(name)

    Link.new(name, @links[name])
  end

  def context
    binding
  end

  private

  def refuse_unknown(tree, prefix = "")
    tree.each do |key, value|
      name = prefix + key
      next if @declared.key?(name)
      raise Mistake, "property #{name} is not declared in the spec" unless value.is_a?(Hash)

      refuse_unknown(value, "#{name}.")
    end
  end
end

begin
  given = JSON.parse($stdin.read)
  declared = YAML.safe_load(File.read(File.join(given["job"], "spec")))
  job = Job.new(declared, given)
  files = declared["templates"].to_h do |source, destination|
    path = File.join(given["job"], "templates", source)
    template = ERB.new(File.read(path), trim_mode: "-")
    template.filename = source
    [destination, template.result(job.context)]
  end
  puts JSON.generate("files" => files, "used" => job.used)
rescue StandardError, SyntaxError => e
  place = (e.backtrace || []).find { |line| !line.include?("render.rb") }
  warn "#{e.message}#{" (#{place})" if place}"
  exit 1
end
