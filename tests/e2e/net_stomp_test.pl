# Perl's Net::Stomp (Debian's libnet-stomp-perl) over TCP: a client of the 1.0 kind that escapes nothing, knows no
# heart-beats, and connects and subscribes again by itself. Run it by with_broker.py.
use strict;
use warnings;
use Net::Stomp;
use Test::More;
use Time::HiRes qw(time);

my $port = $ENV{STAMPEDE_TEST_TCP_PORT};
my $slowdown = $ENV{STAMPEDE_TEST_SLOWDOWN} // 1;
my $timeout = 5 * $slowdown;
my $count = 0;

# What it has to say of reconnecting is not for us.
package Silence {
    sub new { return bless {}, shift }
    for my $level (qw(trace debug info warn error fatal)) {
        no strict 'refs';
        *$level = sub { };
    }
}

sub unique {
    my $prefix = shift // '/topic/perl';
    return $prefix . $count++;
}

# Of the versions only 1.0 is its own; it sends whatever headers it is given.
sub connected {
    my (%headers) = @_;
    my $client = Net::Stomp->new({ hostname => '127.0.0.1', port => $port, timeout => $timeout, logger => Silence->new,
        reconnect_attempts => 3, connect_delay => 0 });
    my $frame = $client->connect({ login => 'user', passcode => 'p:a\\ss', %headers });
    is $frame->command, 'CONNECTED', 'CONNECTED';
    return $client;
}

sub receive {
    my ($client, $command) = @_;
    my $frame = $client->receive_frame;
    ok defined $frame, "a frame, $command" or return Net::Stomp::Frame->new({ command => 'nothing' });
    is $frame->command, $command, $command;
    return $frame;
}

sub subscribed {
    my ($client, %headers) = @_;
    $client->subscribe({ receipt => 'subscribed', %headers });
    is receive($client, 'RECEIPT')->headers->{'receipt-id'}, 'subscribed', 'the receipt of SUBSCRIBE';
}

for my $version (qw(1.0 1.1 1.2)) {
    my %headers = $version eq '1.0' ? () : ('accept-version' => $version, host => 'localhost');
    subtest "$version: subscribe, publish, receive" => sub {
        my $client = connected(%headers);
        my $to = unique();
        subscribed($client, destination => $to, id => 'sub');
        $client->send({ destination => $to, body => 'Zażółć', colour => 'red', 'content-type' => 'text/plain' });
        my $message = receive($client, 'MESSAGE');
        is $message->body, 'Zażółć', 'body';
        is $message->destination, $to, 'destination';
        is $message->content_type, 'text/plain', 'content-type';
        is $message->headers->{colour}, 'red', 'a header of our own';
        is $message->headers->{subscription}, 'sub', 'subscription';
        ok $message->message_id, 'message-id';
        $client->disconnect;
    };

    subtest "$version: send_with_receipt" => sub {
        my $client = connected(%headers);
        for my $number (1 .. 20) {
            ok $client->send_with_receipt({ destination => unique(), body => $number }), "receipt $number";
        }
        $client->disconnect;
    };

    subtest "$version: a body with NUL octets, by its length" => sub {
        my $client = connected(%headers);
        my $to = unique();
        subscribed($client, destination => $to, id => 'sub');
        my $body = join('', map { chr } 0 .. 255) x 20;
        $client->send({ destination => $to, bytes_message => 1, body => $body });
        ok receive($client, 'MESSAGE')->body eq $body, 'the same octets';
        $client->send({ destination => $to, body => '' });
        is receive($client, 'MESSAGE')->body, '', 'an empty body';
        $client->disconnect;
    };

    subtest "$version: unsubscribe by id" => sub {
        my $client = connected(%headers);
        my ($left, $right) = (unique(), unique());
        subscribed($client, destination => $left, id => 'left');
        subscribed($client, destination => $right, id => 'right');
        $client->unsubscribe({ id => 'left', receipt => 'gone' });
        is receive($client, 'RECEIPT')->headers->{'receipt-id'}, 'gone', 'the receipt of UNSUBSCRIBE';
        $client->send({ destination => $left, body => 'nobody' });
        $client->send({ destination => $right, body => 'somebody' });
        is receive($client, 'MESSAGE')->body, 'somebody', 'only the other';
        $client->disconnect;
    };

    subtest "$version: ERROR, and it connects and subscribes again" => sub {
        my $client = connected(%headers);
        my $to = unique();
        subscribed($client, destination => $to, id => 'sub');
        $client->send({ body => 'to nowhere', receipt => 'r' });
        my $error = receive($client, 'ERROR');
        is $error->headers->{message}, 'missing-destination', 'token';
        is $error->headers->{'receipt-id'}, 'r', 'receipt-id';
        like $error->body, qr/destination/, 'sentence';
        is $client->receive_frame, undef, 'the end of the connection';
        $client->send({ destination => $to, body => 'again' });
        is receive($client, 'RECEIPT')->headers->{'receipt-id'}, 'subscribed', 'subscribed again';
        is receive($client, 'MESSAGE')->body, 'again', 'and what came then';
        $client->disconnect;
    };
}

# -- Queues.

my $serial = 0;

sub processed {
    my ($client) = @_;
    my $receipt = 'processed-' . $serial++;
    $client->send({ destination => '/topic/fence', receipt => $receipt });
    is receive($client, 'RECEIPT')->headers->{'receipt-id'}, $receipt, 'processed';
}

sub filled {
    my ($name, @bodies) = @_;
    my $client = connected();
    ok $client->send_with_receipt({ destination => $name, body => $_ }), "$_ is in $name" for @bodies;
    $client->disconnect;
}

# A consumer that comes now gets these bodies, and nothing else before what is sent then.
sub holds {
    my ($name, @bodies) = @_;
    my $client = connected();
    $client->subscribe({ destination => $name, id => 'sub' });
    my @messages = map { receive($client, 'MESSAGE') } @bodies;
    is join(',', map { $_->body } @messages), join(',', @bodies), "$name holds (@bodies)";
    filled($name, 'the end');
    is receive($client, 'MESSAGE')->body, 'the end', 'and nothing else';
    $client->disconnect;
    return @messages;
}

# What names a delivery, beside the message-id that it sends itself.
sub named {
    my ($version, $message) = @_;
    return (frame => $message, id => $message->headers->{ack}) if $version eq '1.2';
    return (frame => $message, subscription => 'sub') if $version eq '1.1';
    return (frame => $message);
}

for my $version (qw(1.0 1.1 1.2)) {
    my %headers = $version eq '1.0' ? () : ('accept-version' => $version, host => 'localhost');
    subtest "$version: what is not acknowledged comes again" => sub {
        my $name = unique('/queue/perl');
        filled($name, qw(a b c));
        my $client = connected(%headers);
        $client->subscribe({ destination => $name, id => 'sub', ack => 'client' });
        my @messages = map { receive($client, 'MESSAGE') } 1 .. 3;
        $client->ack({ named($version, $messages[1]) });    # and the one before
        processed($client);
        $client->disconnect;
        my ($message) = holds($name, 'c');
        is $message->headers->{redelivered}, 'true', 'redelivered';
        is $message->headers->{'delivery-count'}, 2, 'delivery-count';
    };

    subtest "$version: send_transactional, which waits for a receipt before it commits" => sub {
        my $name = unique('/queue/perl');
        my $client = connected(%headers);
        ok $client->send_transactional({ destination => $name, body => $_ }), $_ for qw(a b);
        processed($client);
        $client->disconnect;
        holds($name, qw(a b));
    };

    next if $version eq '1.0';
    subtest "$version: nack" => sub {
        my $name = unique('/queue/perl');
        filled($name, 'a');
        my $client = connected(%headers);
        $client->subscribe({ destination => $name, id => 'sub', ack => 'client-individual' });
        $client->nack({ named($version, receive($client, 'MESSAGE')) });
        my $message = receive($client, 'MESSAGE');
        is $message->headers->{'delivery-count'}, 2, 'it is back';
        $client->nack({ named($version, $message), requeue => 'false' });
        processed($client);
        $client->disconnect;
        holds($name);
        (my $dead = $name) =~ s{/queue/}{/queue/dlq.};
        my ($letter) = holds($dead, 'a');
        is $letter->headers->{'original-destination'}, $name, 'a dead letter';
    };
}

subtest 'unsubscribe by destination in 1.0' => sub {
    my $client = connected();
    my ($left, $right) = (unique(), unique());
    subscribed($client, destination => $left);
    subscribed($client, destination => $right);
    $client->unsubscribe({ destination => $left, receipt => 'gone' });
    is receive($client, 'RECEIPT')->headers->{'receipt-id'}, 'gone', 'the receipt of UNSUBSCRIBE';
    $client->send({ destination => $left, body => 'nobody' });
    $client->send({ destination => $right, body => 'somebody' });
    my $message = receive($client, 'MESSAGE');
    is $message->body, 'somebody', 'only the other';
    is $message->headers->{subscription}, undef, 'no subscription header';
    $client->disconnect;
};

subtest 'who asks for no heart-beat is left in peace' => sub {
    my $client = connected('accept-version' => '1.2', host => 'localhost');
    my $end = time + 2;
    while ((my $left = $end - time) > 0) {
        ok !$client->can_read({ timeout => $left }), 'nothing to read';
    }
    ok $client->send_with_receipt({ destination => unique(), body => 'x' }), 'still there';
    $client->disconnect;
};

subtest 'a heart-beat that is asked for is no frame' => sub {
    my $client = connected('accept-version' => '1.2', host => 'localhost', 'heart-beat' => '0,300');
    my $to = unique();
    subscribed($client, destination => $to, id => 'sub');
    ok $client->can_read({ timeout => $timeout }), 'a beat';
    $client->send({ destination => $to, body => 'x' });
    is receive($client, 'MESSAGE')->body, 'x', 'the message behind it';
    $client->disconnect;
};

subtest 'a hundred messages in order from a host that is second in the list' => sub {
    my @hosts = map { { hostname => '127.0.0.1', port => $_ } } 1, $port;
    my $client = Net::Stomp->new({ hosts => \@hosts,
        timeout => $timeout, logger => Silence->new, connect_delay => 0 });
    $client->connect({ login => 'user', passcode => 'secret' });
    my $to = unique();
    subscribed($client, destination => $to);
    my $sender = connected();
    $sender->send({ destination => $to, body => $_ }) for 1 .. 100;
    is join(',', map { $client->receive_frame->body } 1 .. 100), join(',', 1 .. 100), 'all in order';
    $_->disconnect for $client, $sender;
};

subtest 'a version that nobody speaks is refused with a reason' => sub {
    my $client = Net::Stomp->new({ hostname => '127.0.0.1', port => $port, timeout => $timeout,
        logger => Silence->new });
    my $frame = $client->connect({ 'accept-version' => '3.0', host => 'localhost' });
    is $frame->command, 'ERROR', 'ERROR';
    is $frame->headers->{message}, 'version-not-supported', 'token';
    is $frame->headers->{version}, '1.0,1.1,1.2', 'the versions that are spoken';
};

done_testing;
