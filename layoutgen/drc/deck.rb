# What of a collection of KLayout's, or of a layer of this script, rules are made of.
def data_of(found)
  found.respond_to?(:data) ? found.data : found
end

# A derived layer, with data of its own: KLayout compares data that two layers share as one layer with itself.
def derived(layer)
  own = RBA::Region::new
  own.insert(layer.data.merged)
  DRC::DRCLayer::new(self, own)
end

# Runs one rule: a category for it, with what the block's checks find.
#
# needs: layers that must not be empty. about: layers without which there is nothing to check (several: without any of
# them). within: layers that must not be empty where there is something to check.
def rule(id, text, needs: {}, about: {}, within: {}, several: false)
  category = @layoutgen_database.create_category(id)
  idle = about.select { |_, layer| layer.data.is_empty? }
  applies = several ? idle.size < about.size : idle.empty?
  lacking = (applies ? needs.merge(within) : needs).find { |_, layer| layer.data.is_empty? }
  if lacking
    return not_checked(id, text, "there is nothing on layer #{lacking[0]}", category)
  elsif !applies
    return does_not_apply(id, text, "there is nothing on layer #{idle.keys.join(', ')}", category)
  end
  begin
    yield.each do |found|
      category.scan_collection(@layoutgen_cell, RBA::CplxTrans::new(@layoutgen_dbu), data_of(found))
    end
    category.description = text
    @layoutgen_checked << [id, category.num_items]
  rescue StandardError => e
    @layoutgen_broken << id
    not_checked(id, text, "KLayout failed: #{e.message}", category)
  end
end

# A rule that has nothing to say: an empty category that says why.
def does_not_apply(id, text, reason, category = nil)
  category ||= @layoutgen_database.create_category(id)
  category.description = "DOES NOT APPLY: #{reason}. #{text}"
  @layoutgen_idle << id
end

# A rule that was not checked: an empty category that says so.
def not_checked(id, text, reason, category = nil)
  category ||= @layoutgen_database.create_category(id)
  category.description = "NOT CHECKED: #{reason}. #{text}"
  @layoutgen_not_checked << id
  warn("#{id} NOT CHECKED: #{reason}")
end

# The whole polygons of a layer for which the block is true.
def which(layer)
  out = RBA::Region::new
  out.merged_semantics = false
  layer.data.merged.each { |shape| out.insert(shape) if yield(shape) }
  out
end

# The holes of a layer for which the block is true; one in an island in a hole has one of its own.
def holes_where(layer)
  out = RBA::Region::new
  out.merged_semantics = false
  holes = layer.data.merged.holes
  holes.merged_semantics = false
  holes.each { |hole| out.insert(hole) if yield(hole) }
  out
end

# The parts of a layer wider than a limit (dbu): as large as a square of that side covers them. Slanted edges are rounded
# as little as KLayout's coordinates allow, by working on a drawing that is larger.
def wide_parts(layer, limit)
  box = layer.bbox
  extent = [box.width, box.height, 1].max + 4 * limit
  larger = 2
  larger *= 2 while larger < 256 && 2 * larger * extent < 2**30
  to = RBA::Trans::new(-box.left, -box.bottom)
  core = layer.transformed(to).transformed(RBA::ICplxTrans::new(larger.to_f)).sized(-limit * larger / 2, 2)
  grown = core.sized(limit * larger / 2, 2).merged.transformed(RBA::ICplxTrans::new(1.0 / larger))
  grown.transformed(to.inverted)
end

# What of a layer is wider than a limit (dbu).
def too_wide(layer, limit)
  wide_parts(layer.data, limit) & layer.data
end

# The parts of a layer's edges that bound what is wider than this (dbu).
def edges_of_wide_parts(layer, width)
  wide = wide_parts(layer, width)
  edges = layer.edges
  parts = edges.with_angle(RBA::Edges::OrthoEdges, false) & wide
  parts += edges.with_angle(RBA::Edges::OrthoEdges, true) & wide.sized(2)
  parts.merged
end

# Edges of wide parts that face each other below a space over more than a run (dbu).
def wide_space(layer, width, run, space, both, angle)
  wide = edges_of_wide_parts(layer.data, width)
  other = both ? wide.dup : layer.data.edges
  metric = run > 0 ? RBA::Metrics::Projection : RBA::Metrics::Euclidian
  longer = run > 0 ? run + 1 : nil
  found = {}
  wide.separation_check(other, space, false, metric, angle, longer, nil).each do |pair|
    found[[pair.first.to_s, pair.second.to_s].sort] ||= pair
  end
  RBA::EdgePairs::new(found.values)
end

# Of pairs of edges that touch those that do so outside of what two layers have in common, or beside it from a corner on;
# the edges that KLayout gives for a touch in a point are 4 dbu long together.
def not_meeting(pairs, common)
  shared = common.data.merged
  kept = pairs.data.each.select do |pair|
    edges = [pair.first, pair.second]
    beside = edges.map { |edge| RBA::Edges::new([edge]).outside_part(shared).length }.sum
    (pair.first.is_parallel?(pair.second) && beside > 4) || RBA::Edges::new(edges).interacting(shared).is_empty?
  end
  RBA::EdgePairs::new(kept)
end

# Distance (dbu) of a point from an edge: of its line, or with `ends` of the edge itself.
def distance_to(edge, p, ends)
  dx, dy = edge.x2 - edge.x1, edge.y2 - edge.y1
  length = Math.sqrt(dx * dx + dy * dy)
  x, y = p.x - edge.x1, p.y - edge.y1
  along = x * dx + y * dy
  return Math.sqrt(x * x + y * y) if length == 0 || (ends && along <= 0)
  return Math.sqrt((p.x - edge.x2)**2 + (p.y - edge.y2)**2) if ends && along >= dx * dx + dy * dy
  (dx * y - dy * x).abs / length
end

# Distance (dbu) of two edges that do not cross; straight across: of their lines' ends.
def distance_of(pair, straight)
  a, b = pair.first, pair.second
  [[a, b.p1], [a, b.p2], [b, a.p1], [b, a.p2]].map { |edge, p| distance_to(edge, p, !straight) }.min
end

# Of pairs of edges those closer than a height (dbu) over a ratio.
def slimmer(pairs, height, ratio, straight)
  RBA::EdgePairs::new(pairs.data.each.select { |pair| distance_of(pair, straight).round(3) * ratio < height - 1e-6 })
end

# Of pairs of edges, whose edges bound polygons of a layer, those of different polygons.
def of_two_polygons(pairs, both)
  shapes = RBA::Shapes::new
  both.data.merged.each { |shape| shapes.insert(shape.transformed(RBA::ICplxTrans::new(2.0))) }
  kept = pairs.data.each.select do |pair|
    one, other = [pair.first, pair.second].map do |edge|
      middle = RBA::Point::new(edge.x1 + edge.x2, edge.y1 + edge.y2)
      around = RBA::Box::new(middle, middle).enlarged(4, 4)
      near = shapes.each_touching(around).map { |shape| shape.polygon }
      near.min_by { |shape| shape.inside?(middle) ? 0 : shape.each_edge.map { |e| distance_to(e, middle, true) }.min }
    end
    one != other
  end
  RBA::EdgePairs::new(kept)
end

# Centre of a polygon's bounding box in half database units, so that it is a whole number.
def twice_centre(shape)
  box = shape.bbox
  [box.left + box.right, box.bottom + box.top]
end

# Points by the square that they lie in, to find those near one.
def by_square(points, side)
  squares = Hash.new { |hash, key| hash[key] = [] }
  points.each_with_index { |(x, y), i| squares[[x.div(side), y.div(side)]] << i }
  squares
end

# Positions of the points in the squares around a point.
def around_point(squares, side, point)
  column, row = point[0].div(side), point[1].div(side)
  (-1..1).flat_map { |i| (-1..1).flat_map { |j| squares.fetch([column + i, row + j], []) } }
end

# From centre to centre of shapes closer than a pitch (dbu).
def pitch_below(layer, limit)
  points = layer.data.merged.each.map { |shape| twice_centre(shape) }
  side = 2 * limit
  squares = by_square(points, side)
  out = RBA::EdgePairs::new
  points.each_with_index do |a, i|
    around_point(squares, side, a).each do |j|
      b = points[j]
      next if j <= i || (a[0] - b[0])**2 + (a[1] - b[1])**2 >= side**2
      p, q = [[a[0].div(2), a[1].div(2)], [b[0].div(2), b[1].div(2)]].sort
      edge = RBA::Edge::new(*p, *q)
      out.insert(edge, edge)
    end
  end
  out
end

# Shapes whose centre is further than a limit (dbu) from the centre of every shape of another layer.
def off_centre(layer, target, limit)
  targets = target.data.merged.each.map { |shape| twice_centre(shape) }
  side = 2 * limit + 1
  squares = by_square(targets, side)
  which(layer) do |shape|
    a = twice_centre(shape)
    around_point(squares, side, a).none? do |j|
      (a[0] - targets[j][0])**2 + (a[1] - targets[j][1])**2 <= (2 * limit)**2
    end
  end
end

# Outlines of a layer's shapes, holes filled, for whose number of centres of shapes of another layer the block is true.
def numbers_where(on, counted)
  points = counted.data.merged.each.map { |shape| twice_centre(shape) }
  out = RBA::Region::new
  out.merged_semantics = false
  on.data.merged.hulls.merged.each do |shape|
    box, large = shape.bbox, shape.transformed(RBA::ICplxTrans::new(2.0))
    number = points.count do |x, y|
      x >= 2 * box.left && x <= 2 * box.right && y >= 2 * box.bottom && y <= 2 * box.top &&
        large.inside?(RBA::Point::new(x, y))
    end
    out.insert(shape) if yield(number)
  end
  out
end

# Shapes whose centre is nearer to the edge of a boundary around it than a limit (dbu), or, if asked, outside of all.
def centres_near_edge(layer, boundary, limit, outside)
  hulls = boundary.data.merged.hulls.merged
  outlines, edges = RBA::Shapes::new, RBA::Shapes::new
  hulls.each do |shape|
    large = shape.transformed(RBA::ICplxTrans::new(2.0))
    outlines.insert(large)
    large.each_edge { |edge| edges.insert(edge) }
  end
  which(layer) do |shape|
    at = RBA::Point::new(*twice_centre(shape))
    point = RBA::Box::new(at, at)
    if outlines.each_touching(point).any? { |outline| outline.polygon.inside?(at) }
      around = point.enlarged(2 * limit, 2 * limit)
      edges.each_touching(around).any? { |edge| distance_to(edge.edge, at, true) < 2 * limit - 1e-3 }
    else
      outside
    end
  end
end

# Corners that enclose less than an angle (degrees), each by what of its two edges is within 5 um.
def acute_corners(layer, least, convex)
  merged = layer.data.merged
  turn = 180.0 - least - 0.1
  found = merged.corners_edge_pairs(-180.0, -turn, true, true)
  found += merged.corners_edge_pairs(turn, 180.0, true, true) unless convex
  out = RBA::EdgePairs::new
  found.each do |pair|
    ax, ay, bx, by = -pair.first.dx, -pair.first.dy, pair.second.dx, pair.second.dy
    next if Math.atan2(ax * by - ay * bx, ax * bx + ay * by).abs * 180 / Math::PI >= least - 1e-9
    out.insert(within_5_um(pair.first.swapped_points).swapped_points, within_5_um(pair.second))
  end
  out
end

# What of an edge is within 5 um of its first point.
def within_5_um(edge)
  return edge if edge.length <= 5000
  RBA::Edge::new(edge.p1, edge.p1 + edge.d * (5000.0 / edge.length))
end

# Corners of a polygon seen from the centre of its bounding box; nil where it has a hole.
def corners_of(shape)
  return nil if shape.holes > 0
  box = shape.bbox
  shape.each_point_hull.map { |p| [p.x - (box.left + box.right) / 2.0, p.y - (box.bottom + box.top) / 2.0] }
end

# Whether no point of an outline is further off a circle of a diameter (dbu) than a tolerance.
def circle?(shape, diameter, tolerance)
  corners = corners_of(shape) or return false
  pairs = corners.zip(corners.rotate)
  crosses = pairs.map { |(x0, y0), (x1, y1)| x0 * y1 - x1 * y0 }
  return false unless crosses.all? { |c| c > 0 } || crosses.all? { |c| c < 0 }
  least = pairs.map do |(x0, y0), (x1, y1)|
    dx, dy = x1 - x0, y1 - y0
    along = [[-(x0 * dx + y0 * dy) / (dx * dx + dy * dy), 0.0].max, 1.0].min
    Math.hypot(x0 + along * dx, y0 + along * dy)
  end.min
  most = corners.map { |x, y| Math.hypot(x, y) }.max
  [most - diameter / 2.0, diameter / 2.0 - least].max <= tolerance + 1e-6
end

# From each ideal corner to the nearest one there is.
def nearest_corners(corners, ideal)
  ideal.map { |x, y| corners.map { |u, v| [u - x, v - y] }.min_by { |dx, dy| dx * dx + dy * dy } }
end

# Whether a polygon is a regular octagon of a width (dbu) that stands on an edge.
def octagon?(shape, width, tolerance)
  corners = corners_of(shape) or return false
  return false unless corners.size == 8
  radius = width / 2.0 / Math.cos(Math::PI / 8)
  ideal = (0..7).map { |k| (2 * k + 1) * Math::PI / 8 }.map { |a| [radius * Math.cos(a), radius * Math.sin(a)] }
  nearest_corners(corners, ideal).all? { |dx, dy| Math.hypot(dx, dy) <= tolerance + 1e-6 }
end

# Whether a polygon is an upright rectangle of two sides (dbu), either way around.
def rectangle?(shape, width, height, tolerance)
  corners = corners_of(shape) or return false
  return false unless corners.size == 4
  [[width, height], [height, width]].any? do |w, h|
    ideal = [[1, 1], [-1, 1], [-1, -1], [1, -1]].map { |i, j| [i * w / 2.0, j * h / 2.0] }
    nearest_corners(corners, ideal).all? { |dx, dy| [dx.abs, dy.abs].max <= tolerance + 1e-6 }
  end
end

# Area of a region in each cell of a lattice through (0, 0), by column and row, where there is any.
def area_by_cell(region, step)
  areas = {}
  bounds = region.bbox
  return areas if bounds.empty?
  (bounds.bottom.div(step)..bounds.top.div(step)).each do |j|
    strip = RBA::Box::new(bounds.left, j * step, bounds.right, (j + 1) * step)
    row = region & RBA::Region::new(strip)
    inside = row.bbox
    next if inside.empty?
    (inside.left.div(step)..inside.right.div(step)).each do |i|
      area = row.area(RBA::Box::new(i * step, j * step, (i + 1) * step, (j + 1) * step))
      areas[[i, j]] = area if area > 0
    end
  end
  areas
end

# The sum of cells over each window of so many by so many, where there is any; of windows by their first cell.
def by_window(cells, each)
  sums = Hash.new(0)
  cells.each do |(i, j), area|
    each.times { |a| each.times { |b| sums[[i - a, j - b]] += area } }
  end
  sums
end

# Windows on a lattice of which a layer covers too little or too much of what is within another, and those of which it
# covers too much more than of the next.
def density_windows(layer, within, window, step, least, most, gradient, part)
  ground = within && within.data.merged
  covering = ground ? (layer.data & ground).merged : layer.data.merged
  each = window / step
  covered = by_window(area_by_cell(covering, step), each)
  whole = ground ? by_window(area_by_cell(ground, step), each) : nil
  area = window * window
  judged = (whole || covered).keys.select { |k| !whole || whole[k] >= part * area * (1 - 1e-12) }
  out = RBA::Region::new
  out.merged_semantics = false
  place = lambda do |(i, j), wide, high|
    RBA::Box::new(i * step, j * step, i * step + window + wide * step, j * step + window + high * step)
  end
  share = {}
  judged.sort.each do |k|
    has, of = covered.fetch(k, 0), whole ? whole[k] : area
    share[k] = 100.0 * has / of
    out.insert(place.call(k, 0, 0)) if least && has < least / 100.0 * of - 1e-12 * of
    out.insert(place.call(k, 0, 0)) if most && has > most / 100.0 * of + 1e-12 * of
  end
  [[1, 0], [0, 1]].each do |wide, high|
    share.each do |(i, j), value|
      other = share[[i + wide, j + high]]
      out.insert(place.call([i, j], wide, high)) if gradient && other && (other - value).abs > gradient + 1e-9
    end
  end
  out
end
