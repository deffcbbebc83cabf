#!/usr/bin/perl
# A strategy over tcp:// from docs/wire.md alone: sections 1 to 5 and nothing else of this project. Joins, follows its stream, decides, and goes on
# with its session after it was killed. Prints one line for each thing that happened.
#   perl wire_client.pl HOST PORT NAME STATE
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;

$| = 1;
my ($host, $port, $name, $state_file) = @ARGV;
my ($session, $epoch, $next, $decided) = (0, 0, 1, 0);
my ($id, @under_way, %resume, @table) = (0x80000000);

for my $i (0 .. 255) {
  my $c = $i;
  $c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8;
  push @table, $c;
}

sub crc {
  my $c = 0xffffffff;
  $c = $table[($c ^ $_) & 255] ^ ($c >> 8) for unpack 'C*', $_[0];
  return $c ^ 0xffffffff;
}

my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die "connect: $!\n";
binmode $socket;

sub take {
  my ($count) = @_;
  my $bytes = '';
  while (length $bytes < $count) {
    sysread($socket, $bytes, $count - length $bytes, length $bytes) or die "the host has hung up\n";
  }
  return $bytes;
}

sub give { syswrite($socket, $_[0]) == length $_[0] or die "write: $!\n" }

sub request {
  my ($kind, $count, $sequence, $payload, $again) = @_;
  $id = $id == 0xffffffff ? 0x80000000 : $id + 1;
  my $head = pack 'a8 L< S< S< Q< Q< L<', 'session', $session, $kind, $count, $epoch, $sequence, length $payload;
  my $frame = $head . pack('L<', crc($head . pack('L<', 0) . $payload)) . $payload;
  give(pack('Q> N', 4 + length $frame, $id) . $frame);
  return $id;
}

# The frames of one answer: [kind, count, sequence, payload].
sub answer {
  my ($size) = unpack 'Q>', take(8);
  my $packet = take($size);
  my ($of) = unpack 'N', $packet;
  my ($at, @frames) = (4);
  while ($at < $size) {
    my ($topic, $stream, $kind, $count, $life, $sequence, $length, $sum) = unpack 'a8 L< S< S< Q< Q< L< L<', substr $packet, $at, 40;
    my $payload = substr $packet, $at + 40, $length;
    die "crc\n" unless $sum == crc(substr($packet, $at, 36) . pack('L<', 0) . $payload);
    push @frames, [$kind, $count, $sequence, $payload];
    $at += 40 + $length;
  }
  return ($of, @frames);
}

sub remember {
  open my $file, '>', "$state_file.new" or die "$state_file: $!\n";
  print $file "$session $epoch $next $decided\n";
  close $file;
  rename "$state_file.new", $state_file;
}

# ---- the greeting, HELLO

give(pack 'H* n n', '00535000', 0x30, 0);
my ($zero, $s, $p, $version, $protocol) = unpack 'C a C C n', take(8);
die "no SP\n" unless $s eq 'S' && $protocol == 0x31;

my %hello = (protocol => 1, name => $name, version => '1.0.0', class => 'trade');
if (open my $file, '<', $state_file) {
  my ($old_session, $old_epoch, $old_next) = split ' ', <$file>;
  $hello{resume} = {session => 0 + $old_session, epoch => $old_epoch, next => $old_next};
}
my $welcome;
until ($welcome) {
  request(16, 0, 0, encode_json(\%hello));
  my ($of, $frame) = answer();
  my $said = decode_json($frame->[3]);
  $welcome = $said if $frame->[0] == 32;
  print "REFUSED $said->{code} $said->{text}\n" unless $welcome;
  select undef, undef, undef, 0.3 unless $welcome;
}
my $resumed = $hello{resume} && $hello{resume}{session} == $welcome->{session} && $hello{resume}{epoch} eq $welcome->{epoch};
($session, $epoch, $next, $decided) = @$welcome{qw(session epoch next decided)};
print "JOINED ", ($resumed ? 'resumed' : 'anew'), " next $next decided $decided\n";

# ---- the stream

my (%names, $instrument, $ticks, $wanted, $waiting) = ();
$ticks = 0;

sub handle {
  my ($template, $block, $number) = @_;
  if ($template == 1) {
    my ($event, $recv, $sequence, $of, $venue, $kind) = unpack 'q< q< Q< L< S< C', $block;
    $instrument //= $of;
    $ticks++;
    # One decision at a time, every fiftieth tick: one share, then none.
    if ($of == $instrument && !$waiting && $ticks % 50 == 0) {
      $wanted = $wanted ? 0 : 100000000;
      my $decision = pack 'x16 Q< x16 x8 d< d< d< q< q< q< Q< L< L< C C C C C C S< q<', $sequence, 0.0, 0.0, 1.0, 0, 0, $wanted, 0, $of, 0, 2, 0, 0, 0, 0, 0, 0, 0;
      die "a decision has 128 bytes, not " . length($decision) . "\n" unless length $decision == 128;
      $waiting = request(18, 1, $decided + 1, pack('S< S< S< S<', 128, 3, 4842, 256) . $decision);
    }
  } elsif ($template == 27) {
    my ($after, $position, $buys, $sells, $average, $arm, $of) = unpack 'Q< q< q< q< q< L< L<', $block;
    print "POSITION $of $position\n";
  } elsif ($template == 9) {
    print "FILL $number\n";
  } elsif ($template == 28) {
    print "LOST $number\n";
  }
}

sub data {
  my ($count, $sequence, $payload) = @_;
  return if $sequence + $count <= $next;
  if ($sequence > $next) {
    request(17, 1, $next, '');
    return;
  }
  my ($size, $template, $schema, $version) = unpack 'S< S< S< S<', $payload;
  die "schema $schema\n" unless $schema == 4842;
  for my $i (0 .. $count - 1) {
    handle($template, substr($payload, 8 + $i * $size, $size), $sequence + $i) if $sequence + $i == $next;
    $next++ if $sequence + $i == $next;
  }
}

my $told = 0;
request(17, 0, $next, '');
while (1) {
  my ($of, @frames) = answer();
  for my $frame (@frames) {
    my ($kind, $count, $sequence, $payload) = @$frame;
    if ($kind == 1) { data($count, $sequence, $payload) }
    elsif ($kind == 2) { }
    elsif ($kind == 34) {
      $decided = $sequence;
      for my $i (0 .. $count - 1) {
        my ($number, $code) = unpack 'Q< l<', substr $payload, 16 * $i, 16;
        print "NOT TAKEN $number $code\n";
      }
      $waiting = 0;
      print "TAKEN $decided\n";
    }
    elsif ($kind == 33) { die "REFUSED $payload\n" }
    elsif ($kind == 36) { $waiting = 0 }
  }
  remember();
  print "TICKS $ticks\n" if $ticks >= $told + 100 and $told = $ticks;
  request(17, 0, $next, '') unless $of == ($waiting || 0) || (@frames && $frames[0][0] == 34);
}
