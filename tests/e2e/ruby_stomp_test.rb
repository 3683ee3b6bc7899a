# Ruby's stomp (Debian's ruby-stomp) over TCP: Connection, which is asked for each frame, and Client, which calls back
# from a thread of its own. Run it by with_broker.py.
require 'minitest/autorun'
require 'stomp'
require 'timeout'

Thread.report_on_exception = false # a listener's thread ends by an exception when the broker hangs up
SLOWDOWN = Float(ENV.fetch('STAMPEDE_TEST_SLOWDOWN', '1'))
PORT = Integer(ENV.fetch('STAMPEDE_TEST_TCP_PORT'))
VERSIONS = %w[1.0 1.1 1.2].freeze

# What both classes share, and how a test waits.
module Words
  @@count = 0

  def unique(prefix = '/topic/ruby')
    "#{prefix}#{@@count += 1}"
  end

  def within(seconds = 5, &block)
    Timeout.timeout(seconds * SLOWDOWN, &block)
  end

  def parameters(version, heart_beat: nil, **options)
    headers = {}
    headers = { 'accept-version' => version, 'host' => 'localhost' } unless version == '1.0'
    headers['heart-beat'] = heart_beat if heart_beat
    { hosts: [{ login: 'user', passcode: 'p:a\\ss', host: '127.0.0.1', port: PORT }], reliable: false,
      connect_headers: headers, **options }
  end
end

class ConnectionTest < Minitest::Test
  include Words

  def connection(version = '1.2', **options)
    opened = within { Stomp::Connection.new(parameters(version, **options)) }
    assert_equal 'CONNECTED', opened.connection_frame.command, opened.connection_frame.body
    assert_equal version, opened.protocol
    (@opened ||= []) << opened
    opened
  end

  def teardown
    (@opened || []).each { |opened| opened.disconnect if opened.open? }
  end

  def receive(from, command)
    message = within { from.receive }
    refute_nil message, "the connection ended instead of a #{command}"
    assert_equal command, message.command, message.to_s
    message
  end

  def assert_receipt(from, id)
    assert_equal id, receive(from, 'RECEIPT').headers['receipt-id']
  end

  def subscribe(to, destination, id = 'sub', **headers)
    if to.protocol == '1.0'
      to.subscribe(destination, receipt: 'subscribed', **headers)
    else
      to.subscribe(destination, id: id, receipt: 'subscribed', **headers)
    end
    assert_receipt to, 'subscribed'
  end

  VERSIONS.each do |version|
    define_method("test_#{version}_subscribe_publish_receive") do
      opened = connection(version)
      to = unique
      subscribe(opened, to)
      opened.publish(to, 'Zażółć 😀', colour: 'red', 'content-type': 'text/plain')
      message = receive(opened, 'MESSAGE')
      assert_equal 'Zażółć 😀', message.body.force_encoding('UTF-8')
      assert_equal to, message.headers['destination']
      assert_equal 'red', message.headers['colour']
      assert_equal 'text/plain', message.headers['content-type']
      id = message.headers['subscription']
      version == '1.0' ? assert_nil(id) : assert_equal('sub', id)
    end

    define_method("test_#{version}_a_hundred_messages_in_order") do
      receiver = connection(version)
      sender = connection(version)
      to = unique
      subscribe(receiver, to)
      100.times { |number| sender.publish(to, number.to_s) }
      assert_equal((0...100).map(&:to_s), (0...100).map { receive(receiver, 'MESSAGE').body })
    end

    define_method("test_#{version}_bodies_with_and_without_length") do
      opened = connection(version)
      to = unique
      subscribe(opened, to)
      binary = (0..255).map(&:chr).join.force_encoding('BINARY') * 20
      opened.publish(to, binary)
      assert_equal binary, receive(opened, 'MESSAGE').body.force_encoding('BINARY')
      opened.publish(to, 'no length', suppress_content_length: true)
      assert_equal 'no length', receive(opened, 'MESSAGE').body
      opened.publish(to, '')
      assert_equal '', receive(opened, 'MESSAGE').body
    end

    define_method("test_#{version}_unsubscribe") do
      opened = connection(version)
      left = unique
      right = unique
      subscribe(opened, left, 'left')
      subscribe(opened, right, 'right')
      # In 1.0 by the destination alone.
      opened.unsubscribe(left, version == '1.0' ? { receipt: 'gone' } : { id: 'left', receipt: 'gone' })
      assert_receipt opened, 'gone'
      opened.publish(left, 'nobody')
      opened.publish(right, 'somebody')
      assert_equal 'somebody', receive(opened, 'MESSAGE').body
    end

    define_method("test_#{version}_error_then_the_end") do
      opened = connection(version)
      opened.subscribe('/topic/#.x', id: 'bad', receipt: 'r')
      error = receive(opened, 'ERROR')
      assert_equal 'bad-destination', error.headers['message']
      assert_equal 'r', error.headers['receipt-id']
      assert_match(/\S.{10,}/, error.body)
      assert_nil(within { opened.receive })
      assert opened.closed?
    end

    define_method("test_#{version}_disconnect_with_receipt") do
      opened = connection(version)
      within { opened.disconnect(receipt: 'bye') }
      assert_equal 'bye', opened.disconnect_receipt.headers['receipt-id']
    end
  end

  %w[1.1 1.2].each do |version|
    define_method("test_#{version}_headers_with_special_characters") do
      opened = connection(version)
      to = unique('/topic/a:b\\x-') # it decodes \\c in two steps, so no backslash before n, r, c
      subscribe(opened, to, 'i:d\\')
      odd = "line\nbreak : back\\slash"
      opened.publish(to, 'x', 'odd:name' => odd)
      message = receive(opened, 'MESSAGE')
      assert_equal [to, 'i:d\\', odd], message.headers.values_at('destination', 'subscription', 'odd:name')
    end

    define_method("test_#{version}_heart_beats_flow_both_ways") do
      opened = connection(version, heart_beat: '500,500')
      assert_equal '300,300', opened.connection_frame.headers['heart-beat']
      within(10) { sleep 0.02 until opened.hbsend_count >= 4 && opened.hbrecv_count >= 3 }
      # Four of its own intervals later it is still there.
      opened.publish(unique, 'x', receipt: 'alive')
      assert_receipt opened, 'alive'
    end
  end

  # -- Queues.

  def queue(count)
    name = unique('/queue/ruby')
    fill(name, *(0...count).map(&:to_s))
    name
  end

  def fill(name, *bodies)
    sender = connection
    bodies.each do |body|
      sender.publish(name, body, receipt: 'sent')
      assert_receipt sender, 'sent'
    end
    sender.disconnect
  end

  # No receipt is asked for: messages that wait may come before it.
  def consume(from, name, ack)
    from.subscribe(name, from.protocol == '1.0' ? { ack: ack } : { id: 'queue', ack: ack })
  end

  # ACK or NACK, by what names a delivery in the version.
  def settle(from, command, message, **headers)
    headers[:subscription] = message.headers['subscription'] if from.protocol == '1.1'
    from.public_send(command, message.headers[from.protocol == '1.2' ? 'ack' : 'message-id'], headers)
  end

  # Ends without DISCONNECT.
  def lose(opened)
    opened.send(:close_socket)
  end

  def assert_holds(name, *bodies)
    opened = connection
    consume(opened, name, 'auto')
    messages = bodies.map { receive(opened, 'MESSAGE') }
    assert_equal bodies, messages.map(&:body)
    fill(name, 'the end')
    assert_equal 'the end', receive(opened, 'MESSAGE').body
    opened.disconnect
    messages
  end

  VERSIONS.each do |version|
    define_method("test_#{version}_what_is_not_acknowledged_comes_again") do
      name = queue(4)
      opened = connection(version)
      consume(opened, name, 'client')
      messages = (0..3).map { receive(opened, 'MESSAGE') }
      settle(opened, :ack, messages[1], receipt: 'acked') # and the one before
      assert_receipt opened, 'acked'
      lose(opened)
      assert_holds(name, '2', '3').each do |message|
        assert_equal %w[true 2], message.headers.values_at('redelivered', 'delivery-count')
      end
    end

    define_method("test_#{version}_a_transaction_takes_from_one_queue_and_puts_into_another") do
      source = queue(1)
      target = unique('/queue/ruby')
      opened = connection(version)
      consume(opened, source, 'client')
      message = receive(opened, 'MESSAGE')
      %i[abort commit].each do |way|
        opened.begin('t')
        opened.publish(target, way.to_s, transaction: 't')
        settle(opened, :ack, message, transaction: 't')
        opened.public_send(way, 't', receipt: 'ended')
        assert_receipt opened, 'ended'
      end
      lose(opened)
      assert_holds(source)
      assert_holds(target, 'commit')
    end
  end

  %w[1.1 1.2].each do |version|
    define_method("test_#{version}_nack_brings_it_back_until_it_is_a_dead_letter") do
      name = queue(1)
      opened = connection(version)
      consume(opened, name, 'client-individual')
      settle(opened, :nack, receive(opened, 'MESSAGE'))
      message = receive(opened, 'MESSAGE')
      assert_equal %w[true 2], message.headers.values_at('redelivered', 'delivery-count')
      settle(opened, :nack, message, requeue: 'false', receipt: 'rejected')
      assert_receipt opened, 'rejected'
      lose(opened)
      assert_holds(name)
      assert_equal name, assert_holds(name.sub('/queue/', '/queue/dlq.'), '0')[0].headers['original-destination']
    end
  end

  def test_unreceive_sends_a_message_again_in_a_transaction
    name = queue(1)
    opened = connection('1.0')
    consume(opened, name, 'client')
    opened.unreceive(receive(opened, 'MESSAGE'), force_client_ack: true)
    message = receive(opened, 'MESSAGE')
    assert_equal ['0', '1'], [message.body, message.headers['retry_count']]
    settle(opened, :ack, message, receipt: 'acked')
    assert_receipt opened, 'acked'
    lose(opened)
    assert_holds(name)
  end

  def test_crlf_line_ends_in_1_2
    opened = connection('1.2', usecrlf: true)
    to = unique
    subscribe(opened, to)
    opened.publish(to, "line\r\nend", colour: 'red')
    message = receive(opened, 'MESSAGE')
    assert_equal ["line\r\nend", 'red'], [message.body, message.headers['colour']]
  end

  def test_stomp_instead_of_connect
    opened = connection('1.2', stompconn: true)
    opened.publish(unique, 'x', receipt: 'r')
    assert_receipt opened, 'r'
  end

  def test_the_best_of_several_versions
    opened = within { Stomp::Connection.new(parameters('1.0,1.1,1.2')) }
    assert_equal '1.2', opened.protocol
    opened.disconnect
  end
end

class ClientTest < Minitest::Test
  include Words

  def client(version = '1.2', **options)
    opened = within { Stomp::Client.new(parameters(version, **options)) }
    (@opened ||= []) << opened
    opened
  end

  def teardown
    (@opened || []).each { |opened| opened.close if opened.open? }
  end

  VERSIONS.each do |version|
    define_method("test_#{version}_callbacks_for_messages_and_receipts") do
      opened = client(version)
      to = unique
      messages = Queue.new
      receipts = Queue.new
      opened.subscribe(to) { |message| messages << message.body }
      3.times { |number| opened.publish(to, number.to_s) { |receipt| receipts << receipt } }
      assert_equal %w[0 1 2], (0...3).map { within { messages.pop } }
      3.times { within { receipts.pop } }
      opened.unsubscribe(to)
      opened.publish(to, 'nobody') { |receipt| receipts << receipt }
      within { receipts.pop }
      assert messages.empty?
    end
  end

  VERSIONS.each do |version|
    define_method("test_#{version}_acknowledges_in_its_callbacks") do
      name = unique('/queue/ruby')
      opened = client(version)
      messages = Queue.new
      acknowledged = Queue.new
      opened.subscribe(name, ack: 'client', 'prefetch-count': '1') do |message|
        messages << message.body
        opened.ack(message) { |receipt| acknowledged << receipt }
      end
      5.times { |number| opened.publish(name, number.to_s) }
      assert_equal (0...5).map(&:to_s), (0...5).map { within { messages.pop } }
      5.times { within { acknowledged.pop } }
    end
  end

  def test_error_is_raised_in_the_thread_of_the_client
    opened = client
    error = assert_raises(Stomp::Error::BrokerException) do
      opened.publish('/topic/x', 'x', transaction: 'never')
      within { sleep 0.02 while true }
    end
    assert_match(/transaction/, error.message)
    # Its listener closes the socket when the end comes, and whoever uses it then is told by an IOError.
    assert_raises(Stomp::Error::NilMessageError, IOError) { within { opened.join } }
    assert opened.closed?
  end
end
